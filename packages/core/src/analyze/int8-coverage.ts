import { type GraphIndex, indexGraph, isOp, labelOf, type Model, type Node } from "../graph/index.js";
import { isMultiplying, type MacsReport } from "./macs.js";

/** A layer that multiplies in float. */
export interface FloatLayer {
  readonly node: string;
  readonly opType: string;
  readonly macs: number;
  /** One clause for a person: `its weights are float`. */
  readonly reason: string;
}

/** A node around which values are converted to float and back, because it has no integer form there. */
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

/** Operators that multiply integers, in the forms of ONNX and of ONNX Runtime. */
export const INTEGER_KERNELS: ReadonlySet<string> = new Set([
  "QLinearConv",
  "QLinearMatMul",
  "ConvInteger",
  "MatMulInteger",
  "QGemm",
  "MatMulIntegerToFloat",
  "DynamicQuantizeMatMul",
]);

/** Other operators for which ONNX Runtime (1.30, CPU) has integer forms, or which it moves past the conversions. */
const INTEGER_FORMS: ReadonlySet<string> = new Set([
  ...[
    "Add",
    "Mul",
    "AveragePool",
    "GlobalAveragePool",
    "MaxPool",
    "Sigmoid",
    "LeakyRelu",
    "Softmax",
    "Concat",
    "Where",
  ],
  ...[
    "Reshape",
    "Transpose",
    "Squeeze",
    "Unsqueeze",
    "Flatten",
    "Resize",
    "Split",
    "Gather",
    "Slice",
    "Expand",
    "Tile",
  ],
]);

export function isQuantize(node: Node | undefined): boolean {
  return node?.opType === "QuantizeLinear";
}

export function isDequantize(node: Node | undefined): boolean {
  return node?.opType === "DequantizeLinear";
}

/** Whether a model has quantized values at all, as Q/DQ nodes or in the QOperator form. */
export function isQuantized({ graph }: Model): boolean {
  return graph.nodes.some((node) => isQuantize(node) || isDequantize(node) || INTEGER_KERNELS.has(node.opType));
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
  const leftover = model.graph.nodes.flatMap((node) => leftoverAt(model, index, node) ?? []);
  return { macs: macs.total, int8Macs, share: shareOf(int8Macs, macs.total), floatLayers, leftover, source: "graph" };
}

export function shareOf(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

/** Why a multiplying node runs in float; undefined where it runs on integers. */
export function floatReason(model: Model, index: GraphIndex, node: Node): string | undefined {
  if (INTEGER_KERNELS.has(node.opType)) return undefined;
  if (!isOp(node, "Conv", "Gemm", "MatMul")) return `ONNX Runtime has no integer kernel for ${node.opType}`;
  const input = dequantizedType(model, index, node.inputs[0]);
  const weight = dequantizedType(model, index, node.inputs[1]);
  if (input === undefined && weight === undefined) return "it is not quantized";
  if (input === undefined) return "its input is not quantized";
  if (weight === undefined) return "its weights are float";
  if (!EIGHT_BITS.includes(input)) return `its input is ${input}`;
  if (!EIGHT_BITS.includes(weight)) return `its weights are ${weight}`;
  const output = node.outputs[0]!;
  const next = index.onlyConsumer(output);
  const last = isOp(next, "Relu", "Clip") ? index.onlyConsumer(next.outputs[0]!) : next;
  if (isQuantize(last)) return undefined;
  // Integer Gemm and MatMul exist with a float output, integer convolutions do not.
  if (node.opType !== "Conv") return undefined;
  if (index.isOutput(output)) return "its output is the model's output in float";
  const readers = index.uses(output).filter(({ node: reader }) => !isQuantize(reader));
  const reader = readers[0]?.node;
  if (!reader) return "its output is quantized more than once";
  if (readers.length > 1) return `its output is read in float by ${readers.length} nodes`;
  return `its output is read in float by "${labelOf(last && reader !== last ? last : reader)}" (${(last ?? reader).opType})`;
}

/** Stored type of a value that comes out of DequantizeLinear; undefined for any other value. */
function dequantizedType(model: Model, index: GraphIndex, value: string | undefined): string | undefined {
  const node = value ? index.producer(value) : undefined;
  if (!node || !isDequantize(node)) return undefined;
  const stored = node.inputs[0]!;
  const zeroPoint = node.inputs[2];
  const source = index.producer(stored);
  return (
    model.graph.initializers.get(stored)?.dtype ??
    (zeroPoint ? model.graph.initializers.get(zeroPoint)?.dtype : undefined) ??
    (source && isQuantize(source) && source.inputs[2]
      ? model.graph.initializers.get(source.inputs[2])?.dtype
      : undefined) ??
    "uint8"
  );
}

/** Conversions around a node that stay, judged by the pattern. */
function leftoverAt(model: Model, index: GraphIndex, node: Node): LeftoverConversion | undefined {
  if (isQuantize(node) || isDequantize(node)) return undefined;
  const fromFloat = (value: string) => value !== "" && !isDequantize(index.producer(value));
  const dequantize = node.inputs.filter((value) => value !== "" && isDequantize(index.producer(value))).length;
  const uses = node.outputs.flatMap((output) => (output === "" ? [] : index.uses(output)));
  const quantize = uses.filter(({ node: reader }) => isQuantize(reader)).length;
  if (dequantize === 0) {
    // A Relu between an integer layer and its QuantizeLinear belongs to the layer.
    const before = index.producer(node.inputs[0] ?? "");
    const fused = isOp(node, "Relu", "Clip") && before && isMultiplying(before) && !floatReason(model, index, before);
    if (quantize === 0 || fused) return undefined;
  }
  const at = (reason: string) => ({ node: labelOf(node), opType: node.opType, quantize, dequantize, reason });
  if (isMultiplying(node)) {
    const reason = floatReason(model, index, node);
    return reason === undefined ? undefined : at(reason);
  }
  if (!isOp(node, ...INTEGER_FORMS)) return at(`ONNX Runtime runs ${node.opType} in float`);
  const data = node.inputs.filter((value) => !model.graph.initializers.has(value));
  if (data.some(fromFloat)) return at("not all its inputs are quantized");
  const output = node.outputs.some((value) => index.isOutput(value));
  if (output || uses.some(({ node: reader }) => !isQuantize(reader))) return at("its output is read in float");
  return undefined;
}
