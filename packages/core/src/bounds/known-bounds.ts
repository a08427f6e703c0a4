import { type Graph, type GraphIndex, isOp, type Node } from "../graph/index.js";

/** What a value cannot exceed whatever the input: one number, or one a channel. ±Infinity where nothing is known. */
export interface KnownBounds {
  readonly low: number | Float64Array;
  readonly high: number | Float64Array;
}

const OPEN_NUMBERS = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
const OPEN: KnownBounds = OPEN_NUMBERS;

const BY_FUNCTION: ReadonlyMap<string, KnownBounds> = new Map(
  Object.entries<KnownBounds>({
    Relu: { ...OPEN, low: 0 },
    Sigmoid: { low: 0, high: 1 },
    HardSigmoid: { low: 0, high: 1 },
    Softmax: { low: 0, high: 1 },
    Tanh: { low: -1, high: 1 },
  }),
);

/** What keeps channels where they are and makes nothing larger. Averages with padding count zeros too. */
const KEEPS_CHANNELS = ["MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool", "Identity", "Dropout"];
const MOVES = ["Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice"];
/** Operators looked through: chains without an activation are not longer. */
const MOST_STEPS = 16;

/** Bounds of a value that follow from the operators before it. Symbolic or computed bounds count as none. */
export function knownBounds(graph: Graph, index: GraphIndex, value: string, steps = MOST_STEPS): KnownBounds {
  const node = index.producer(value);
  if (node?.domain !== "" || node.outputs[0] !== value || steps === 0) return OPEN;
  const before = () => knownBounds(graph, index, node.inputs[0]!, steps - 1);
  if (node.opType === "Clip") return clipBoundsOf(graph, node);
  if (isOp(node, "Min", "Max")) return limited(graph, index, node, steps);
  if (isOp(node, ...KEEPS_CHANNELS)) {
    const { low, high } = before();
    if (node.opType !== "AveragePool") return { low, high };
    return { low: least(low) < 0 ? low : 0, high: most(high) > 0 ? high : 0 };
  }
  if (isOp(node, ...MOVES)) {
    const { low, high } = before();
    return { low: least(low), high: most(high) };
  }
  return BY_FUNCTION.get(node.opType) ?? OPEN;
}

/** What a Clip lets through. Bounds are attributes before opset 11; one that is computed may be anything. */
export function clipBoundsOf(graph: Graph, clip: Node): { readonly low: number; readonly high: number } {
  const bound = (name: "min" | "max", at: number, absent: number) => {
    const attribute = clip.attributes.get(name);
    if (attribute?.type === "float") return attribute.value;
    const input = clip.inputs[at] ?? "";
    return input === "" ? absent : graph.initializers.get(input)?.numbers()[0];
  };
  const high = bound("max", 2, Number.POSITIVE_INFINITY);
  const low = bound("min", 1, Number.NEGATIVE_INFINITY) ?? Number.NEGATIVE_INFINITY;
  // Where max < min, Clip returns max.
  return high === undefined ? OPEN_NUMBERS : { low: Math.min(low, high), high };
}

/** Min and Max with a constant, which is one number or one a channel. */
function limited(graph: Graph, index: GraphIndex, node: Node, steps: number): KnownBounds {
  const own = node.inputs.find((input) => !graph.initializers.has(input));
  const constants = node.inputs.flatMap((input) => graph.initializers.get(input) ?? []);
  const [constant] = constants;
  if (own === undefined || !constant || constants.length !== node.inputs.length - 1 || constants.length > 1)
    return OPEN;
  const inner = knownBounds(graph, index, own, steps - 1);
  const numbers = constant.numbers();
  const { dims } = constant;
  const perChannel = dims.length >= 3 && dims.at(-3) === numbers.length;
  const list = Float64Array.from(numbers, Number);
  const bound = list.length === 1 ? list[0]! : perChannel ? list : undefined;
  if (node.opType === "Min") return { low: inner.low, high: bound ?? most(list) };
  return { low: bound ?? least(list), high: inner.high };
}

/** The least of bounds by channel. */
export const least = (bound: number | Float64Array) =>
  typeof bound === "number" ? bound : bound.reduce((a, b) => Math.min(a, b));
/** The largest of bounds by channel. */
export const most = (bound: number | Float64Array) =>
  typeof bound === "number" ? bound : bound.reduce((a, b) => Math.max(a, b));
