import { type GraphIndex, indexGraph, labelOf, type Model, type Node } from "../graph/index.js";
import { saturationBounds } from "../operators/attributes.js";
import { factsOf } from "../operators/facts.js";
import { isMultiplying, type MacsReport } from "../operators/macs.js";

/** A layer that multiplies in float. */
export interface FloatLayer {
  readonly node: string;
  readonly opType: string;
  readonly macs: number;
  /** One clause for a person: `its weights are float`. */
  readonly reason: string;
}

/**
 * A node at the edge of a float island: between dequantized values and a QuantizeLinear further on, values are converted
 * to float and back, because nodes there have no integer form. The float head and tail of a model are no islands.
 */
export interface LeftoverConversion {
  readonly node: string;
  readonly opType: string;
  /** QuantizeLinear nodes that follow it, DequantizeLinear nodes that feed it. */
  readonly quantize: number;
  readonly dequantize: number;
  readonly reason: string;
}

/** How much of a model's arithmetic runs on integers. */
export interface Int8Coverage {
  /** Multiply–accumulate operations a sample. */
  readonly macs: number;
  readonly int8Macs: number;
  /** int8Macs / macs, 0–1; 0 for a model without any. */
  readonly share: number;
  readonly floatLayers: readonly FloatLayer[];
  readonly leftover: readonly LeftoverConversion[];
  /** `graph`: read off the Q/DQ pattern; `runtime`: counted in the graph that ONNX Runtime executes. */
  readonly source: "graph" | "runtime";
}

const EIGHT_BITS: readonly (string | undefined)[] = ["int8", "uint8"];

/** Multiplies integers, in a form of ONNX or of ONNX Runtime. */
export function multipliesIntegers(node: Node): boolean {
  return factsOf(node)?.kind === "integer";
}

export function isQuantize(node: Node | undefined): boolean {
  return node?.opType === "QuantizeLinear";
}

export function isDequantize(node: Node | undefined): boolean {
  return node?.opType === "DequantizeLinear";
}

/** Whether a model has quantized values at all, as Q/DQ nodes or in the QOperator form. */
export function isQuantized({ graph }: Model): boolean {
  return graph.nodes.some((node) => isQuantize(node) || isDequantize(node) || multipliesIntegers(node));
}

/**
 * What runs on integers, as the placement of QuantizeLinear and DequantizeLinear promises it: a Conv, Gemm or MatMul
 * whose inputs come from 8-bit DequantizeLinear and whose output goes to QuantizeLinear (Gemm and MatMul may leave it
 * float), and the QOperator forms. The runtime decides in the end: see `measuredCoverage`.
 */
export function int8Coverage(model: Model, macs: MacsReport): Int8Coverage {
  const index = indexGraph(model.graph);
  const floatLayers: FloatLayer[] = [];
  let int8Macs = 0;
  for (const { node, name, macs: count } of macs.nodes) {
    const reason = floatReason(model, index, node);
    if (reason === undefined) int8Macs += count;
    else floatLayers.push({ node: name, opType: node.opType, macs: count, reason });
  }
  const islands = floatIslands(model, index);
  const leftover = [...islands].flatMap((node) => leftoverAt(model, index, node) ?? []);
  return { macs: macs.total, int8Macs, share: shareOf(int8Macs, macs.total), floatLayers, leftover, source: "graph" };
}

export function shareOf(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

/** Why a multiplying node runs in float; undefined where it runs on integers. */
export function floatReason(model: Model, index: GraphIndex, node: Node): string | undefined {
  if (multipliesIntegers(node)) return undefined;
  const facts = factsOf(node);
  if (facts?.kind !== "layer" || facts.ort !== "kernel") return `ONNX Runtime has no integer kernel for ${node.opType}`;
  const input = dequantizedType(model, index, node.inputs[0]);
  const weight = dequantizedType(model, index, node.inputs[1]);
  if (input === undefined && weight === undefined) return "it is not quantized";
  if (input === undefined) return "its input is not quantized";
  if (weight === undefined) return "its weights are float";
  if (!EIGHT_BITS.includes(input)) return `its input is ${input}`;
  if (!EIGHT_BITS.includes(weight)) return `its weights are ${weight}`;
  const output = node.outputs[0]!;
  const next = index.onlyConsumer(output);
  if (next && isQuantize(next)) return undefined;
  const last = absorbed(model, index, next);
  if (last === "quantize") return undefined;
  // Integer Gemm and MatMul exist with a float output, integer convolutions do not.
  if (facts.floatOutput) return undefined;
  if (last === "kept")
    return `the ${next!.opType} behind it is no part of the quantization: its bounds cut what QuantizeLinear keeps`;
  if (index.isOutput(output)) return "its output is the model's output in float";
  const reader = index.uses(output).find(({ node: candidate }) => !isQuantize(candidate))?.node;
  if (!reader) return "its output is quantized more than once";
  return `its output is read in float by "${labelOf(last ?? reader)}" (${(last ?? reader).opType})`;
}

/**
 * What follows a Relu or Clip behind a layer. ONNX Runtime drops the operator where QuantizeLinear cuts at the same
 * bounds or closer: the integers from qmin to qmax all lie within them. Otherwise it stays, and the layer is float.
 * `quantize`: dropped; `kept`: it stays before a QuantizeLinear; a node: that reads it in float.
 */
function absorbed(model: Model, index: GraphIndex, node: Node | undefined): "quantize" | "kept" | Node | undefined {
  if (!node || factsOf(node)?.fuses !== "saturation") return undefined;
  const reader = index.onlyConsumer(node.outputs[0]!);
  if (!reader || !isQuantize(reader)) return reader;
  const constant = (value: string | undefined) => {
    const tensor = value ? model.graph.initializers.get(value) : undefined;
    return tensor?.size === 1 ? tensor.numbers()[0] : undefined;
  };
  const [scale, zero] = [constant(reader.inputs[1]), constant(reader.inputs[2]) ?? 0];
  const [qmin, qmax] = INTEGER_RANGES.get(storedType(model, reader)) ?? [];
  if (scale === undefined || qmin === undefined || qmax === undefined) return "kept";
  const { low, high } = saturationBounds(node, (value) => model.graph.initializers.get(value));
  if (low === undefined || high === undefined) return "kept";
  // A scale is a rounded float: 6/255 · 255 may lie a last bit above 6.
  const slack = 1e-6 * scale * (qmax - qmin);
  return scale * (qmin - zero) >= low - slack && scale * (qmax - zero) <= high + slack ? "quantize" : "kept";
}

const INTEGER_RANGES: ReadonlyMap<string, readonly [number, number]> = new Map(
  Object.entries<readonly [number, number]>({
    uint8: [0, 255],
    int8: [-128, 127],
    uint16: [0, 65535],
    int16: [-32768, 32767],
  }),
);

/** Integer type of a QuantizeLinear or DequantizeLinear, as its zero point says it. */
function storedType(model: Model, node: Node): string {
  const zeroPoint = node.inputs[2];
  return (zeroPoint ? model.graph.initializers.get(zeroPoint)?.dtype : undefined) ?? "uint8";
}

/** Stored type of a value that comes out of DequantizeLinear; undefined for any other value. */
function dequantizedType(model: Model, index: GraphIndex, value: string | undefined): string | undefined {
  const node = value ? index.producer(value) : undefined;
  if (!node || !isDequantize(node)) return undefined;
  return model.graph.initializers.get(node.inputs[0]!)?.dtype ?? storedType(model, node);
}

/** Nodes on a way from a dequantized activation to a QuantizeLinear, in graph order (which is topological). */
export function floatIslands({ graph }: Model, index: GraphIndex): Set<Node> {
  const nodes = graph.nodes.filter((node) => !isQuantize(node) && !isDequantize(node));
  const after = new Set<Node>();
  for (const node of nodes) {
    const follows = node.inputs.some((value) => {
      const maker = value === "" ? undefined : index.producer(value);
      if (!maker) return false;
      return isDequantize(maker) ? !graph.initializers.has(maker.inputs[0]!) : after.has(maker);
    });
    if (follows) after.add(node);
  }
  const before = new Set<Node>();
  for (const node of [...nodes].reverse()) {
    const readers = node.outputs.flatMap((value) => (value === "" ? [] : index.uses(value)));
    if (readers.some(({ node: reader }) => isQuantize(reader) || before.has(reader))) before.add(node);
  }
  return new Set(nodes.filter((node) => after.has(node) && before.has(node)));
}

/** Conversions around a node that stay, judged by the pattern. */
function leftoverAt(model: Model, index: GraphIndex, node: Node): LeftoverConversion | undefined {
  const fromFloat = (value: string) => value !== "" && !isDequantize(index.producer(value));
  const dequantize = node.inputs.filter((value) => value !== "" && isDequantize(index.producer(value))).length;
  const uses = node.outputs.flatMap((output) => (output === "" ? [] : index.uses(output)));
  const quantize = uses.filter(({ node: reader }) => isQuantize(reader)).length;
  if (dequantize === 0) {
    // A Relu between an integer layer and its QuantizeLinear belongs to the layer.
    const before = index.producer(node.inputs[0] ?? "");
    const fused = before && isMultiplying(before) && absorbed(model, index, node) === "quantize";
    if (quantize === 0 || fused) return undefined;
  }
  const at = (reason: string) => ({ node: labelOf(node), opType: node.opType, quantize, dequantize, reason });
  if (isMultiplying(node)) {
    const reason = floatReason(model, index, node);
    return reason === undefined ? undefined : at(reason);
  }
  if (factsOf(node)?.ort === undefined) return at(`ONNX Runtime runs ${node.opType} in float`);
  const data = node.inputs.filter((value) => !model.graph.initializers.has(value));
  if (data.some(fromFloat)) return at("not all its inputs are quantized");
  const output = node.outputs.some((value) => index.isOutput(value));
  if (output || uses.some(({ node: reader }) => !isQuantize(reader))) return at("its output is read in float");
  return undefined;
}
