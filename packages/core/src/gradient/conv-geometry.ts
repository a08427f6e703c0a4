import { attributeOf, type Node } from "../graph/index.js";
import { groupOf, paddingOf } from "../operators/attributes.js";
import { type GradientContext, unsupported } from "./context.js";

/** How a convolution or pooling window moves, one entry a spatial axis. */
export interface Geometry {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padBegin: readonly number[];
  readonly padEnd: readonly number[];
  readonly group: number;
}

/** Size that a kernel covers on each axis, gaps included: (k − 1)·dilation + 1. */
export function extent({ kernel, dilations }: Pick<Geometry, "kernel" | "dilations">): number[] {
  return kernel.map((size, axis) => (size - 1) * dilations[axis]! + 1);
}

/**
 * Strides, dilations and pads of Conv, ConvTranspose, MaxPool and AveragePool with `auto_pad` resolved.
 * @throws {ModelError} E4001 `auto_pad` SAME_* on an input whose sizes are not known.
 */
export function geometryOf(node: Node, kernel: readonly number[], c: Pick<GradientContext, "fixedDims">): Geometry {
  const rank = kernel.length;
  const strides = attributeOf(node, "strides", "ints", Array<number>(rank).fill(1));
  const dilations = attributeOf(node, "dilations", "ints", Array<number>(rank).fill(1));
  const base = { kernel, strides, dilations, group: groupOf(node) };
  const padding = paddingOf(node);
  if (padding.rule === "valid") return { ...base, padBegin: kernel.map(() => 0), padEnd: kernel.map(() => 0) };
  if (padding.rule === "explicit") {
    const pads = padding.amounts.length > 0 ? padding.amounts : Array<number>(2 * rank).fill(0);
    return { ...base, padBegin: pads.slice(0, rank), padEnd: pads.slice(rank) };
  }
  const auto = attributeOf(node, "auto_pad", "string", "");
  if (node.opType === "ConvTranspose") unsupported(node, `auto_pad ${auto}`, "export the model with explicit pads");
  const sizes = c.fixedDims(node.inputs[0]!, 2);
  if (!sizes) unsupported(node, `auto_pad ${auto} needs known sizes`, "pass shapes: observeBatchShapes(runner, model)");
  const covered = extent(base);
  const total = sizes.map((size, axis) => {
    const out = Math.ceil(size / strides[axis]!);
    return Math.max(0, (out - 1) * strides[axis]! + covered[axis]! - size);
  });
  const small = total.map((pad) => Math.floor(pad / 2));
  const large = total.map((pad, axis) => pad - small[axis]!);
  return padding.rule === "sameLower"
    ? { ...base, padBegin: large, padEnd: small }
    : { ...base, padBegin: small, padEnd: large };
}

/** Offsets of all kernel elements in storage order. */
export function kernelOffsets(kernel: readonly number[]): number[][] {
  let offsets: number[][] = [[]];
  for (const size of kernel) {
    offsets = offsets.flatMap((prefix) => Array.from({ length: size }, (_, i) => [...prefix, i]));
  }
  return offsets;
}
