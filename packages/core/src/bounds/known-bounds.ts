import { type Graph, type GraphIndex, isOp, type Node } from "../graph/index.js";
import { clipBounds } from "../operators/attributes.js";
import { factsOf } from "../operators/facts.js";

/** What a value cannot exceed whatever the input: one number, or one a channel. ±Infinity where nothing is known. */
export interface KnownBounds {
  readonly low: number | Float64Array;
  readonly high: number | Float64Array;
}

export const OPEN: KnownBounds = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };

/** Operators looked through: chains without an activation are not longer. */
const MOST_STEPS = 16;

/** Bounds of a value that follow from the operators before it. Symbolic or computed bounds count as none. */
export function knownBounds(graph: Graph, index: GraphIndex, value: string, steps = MOST_STEPS): KnownBounds {
  const node = index.producer(value);
  const facts = factsOf(node);
  if (!node || !facts || node.outputs[0] !== value || steps === 0) return OPEN;
  if (isOp(node, "Clip")) {
    const { low, high } = clipBounds(node, (name) => graph.initializers.get(name));
    // One that is computed may be anything, and what the other lets through with it.
    return high === undefined ? OPEN : { low: low ?? OPEN.low, high };
  }
  // Min and Max with a constant.
  if (facts.kind === "arithmetic" && facts.saturates) return limited(graph, index, node, steps);
  if (facts.within !== undefined && facts.data !== "all") {
    const { low, high } = knownBounds(graph, index, node.inputs[0]!, steps - 1);
    if (facts.within === "value") return { low: least(low), high: most(high) };
    // Padding that is averaged counts zeros too.
    return facts.padding ? { low: least(low) < 0 ? low : 0, high: most(high) > 0 ? high : 0 } : { low, high };
  }
  return facts.range ? { low: facts.range[0], high: facts.range[1] } : OPEN;
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
