import { attributeOf, isOp, type Node, type Tensor } from "../graph/index.js";
import type { FoldScope } from "./fold-scope.js";

/** y = scale[c]·x + shift[c] for every channel c of `data`; one element stands for all channels. */
export interface ChannelAffine {
  readonly node: Node;
  readonly data: string;
  readonly output: string;
  readonly scale: Float64Array;
  readonly shift: Float64Array;
  /** Shape of the constant, which decides whether it broadcasts along channels. Undefined for BatchNormalization: always axis 1. */
  readonly dims: readonly number[] | undefined;
}

/**
 * BatchNormalization at inference: y = γ·(x − μ)/√(σ² + ε) + β, that is scale γ/√(σ² + ε) and shift β − μ·scale
 * (Ioffe and Szegedy 2015, algorithm 2). Returns the reason where it is something else.
 */
export function batchNormAffine(scope: FoldScope, node: Node): ChannelAffine | string {
  if (attributeOf(node, "training_mode", "int", 0) !== 0)
    return "training_mode is 1: it uses the statistics of the batch";
  if (node.outputs.slice(1).some((output) => output !== ""))
    return "it outputs batch statistics: it is in training mode";
  if (attributeOf(node, "spatial", "int", 1) === 0) return "spatial is 0: it normalizes every element by itself";
  const values: Float64Array[] = [];
  for (const [index, what] of ["scale", "B", "mean", "var"].entries()) {
    const name = node.inputs[index + 1] ?? "";
    const tensor = scope.constant(name);
    if (!tensor) return whyNotConstant(scope, name, what);
    const numbers = toFloat64(tensor);
    if (!numbers) return `its ${what} is ${tensor.dtype}, only float32 and float64 are folded`;
    values.push(numbers);
  }
  const [gamma, beta, mean, variance] = values as [Float64Array, Float64Array, Float64Array, Float64Array];
  if (values.some(({ length }) => length !== gamma.length)) return "its parameters differ in length";
  const epsilon = attributeOf(node, "epsilon", "float", 1e-5);
  const invalid = variance.findIndex((value) => !(value + epsilon > 0));
  if (invalid >= 0)
    return `variance + epsilon is ${variance[invalid]! + epsilon} in channel ${invalid}, expected above 0`;
  const scale = gamma.map((value, c) => value / Math.sqrt(variance[c]! + epsilon));
  const shift = beta.map((value, c) => value - mean[c]! * scale[c]!);
  return { node, data: node.inputs[0]!, output: node.outputs[0]!, scale, shift, dims: undefined };
}

/** Add, Sub, Mul or Div of a value and a constant. Undefined where it is none of these; a reason where it is not affine. */
export function binaryAffine(scope: FoldScope, node: Node): ChannelAffine | string | undefined {
  if (!isOp(node, "Add", "Sub", "Mul", "Div") || node.inputs.length !== 2) return undefined;
  const left = scope.constant(node.inputs[0]!);
  const right = scope.constant(node.inputs[1]!);
  const tensor = right ?? left;
  if (!tensor || (left && right)) return undefined;
  const common = { node, data: node.inputs[right ? 0 : 1]!, output: node.outputs[0]!, dims: tensor.dims };
  const numbers = toFloat64(tensor);
  if (!numbers) return `its constant is ${tensor.dtype}, only float32 and float64 are folded`;
  const same = (value: number) => numbers.map(() => value);
  switch (node.opType) {
    case "Add":
      return { ...common, scale: same(1), shift: numbers };
    case "Sub":
      return right
        ? { ...common, scale: same(1), shift: numbers.map((value) => -value) }
        : { ...common, scale: same(-1), shift: numbers };
    case "Mul":
      return { ...common, scale: numbers, shift: same(0) };
    default:
      if (!right) return "it divides a constant by its input";
      if (numbers.includes(0)) return "it divides by zero";
      return { ...common, scale: numbers.map((value) => 1 / value), shift: same(0) };
  }
}

/**
 * Whether the constant of a binary operator runs along the channels and nothing else, and leaves the shape of `data` as it
 * is. `rank` and `channelAxis` are those of the data; a rank of undefined means: at least `leastRank`.
 * Returns the reason where it does not.
 */
export function whyNotByChannel(
  affine: ChannelAffine,
  data: { channels: number; rank: number | undefined; leastRank: number; channelsFromEnd: number },
): string | undefined {
  const { dims } = affine;
  if (!dims)
    return affine.scale.length === data.channels ? undefined : lengthReason(affine.scale.length, data.channels);
  if (dims.length > (data.rank ?? data.leastRank)) {
    return `the rank of its input is not known to be ${dims.length}, that of its constant`;
  }
  for (const [axis, size] of dims.entries()) {
    if (size === 1) continue;
    if (dims.length - axis !== data.channelsFromEnd)
      return `its constant [${dims.join(", ")}] does not run along channels`;
    if (size !== data.channels) return lengthReason(size, data.channels);
  }
  return undefined;
}

function lengthReason(length: number, channels: number): string {
  return `it has ${length} channels, the layer ${channels}`;
}

/** Says why a value is no constant, for a skip. */
export function whyNotConstant(scope: FoldScope, name: string, what: string): string {
  if (name === "") return `its ${what} is absent`;
  if (scope.wiring.isInput(name)) return `its ${what} "${name}" is a graph input`;
  return `its ${what} "${name}" is computed by the graph`;
}

/** Elements as doubles; undefined for other types than float32 and float64, whose rounding would exceed the tolerance. */
export function toFloat64(tensor: Tensor): Float64Array | undefined {
  if (tensor.dtype !== "float32" && tensor.dtype !== "float64") return undefined;
  return Float64Array.from(tensor.array() as Float32Array | Float64Array);
}
