import { attributeOf, type Graph, type GraphIndex, isOp, type Node, type Use } from "../graph/index.js";
import { clipBounds, groupOf } from "../operators/attributes.js";
import { type KnownBounds, least, most, OPEN } from "./known-bounds.js";

/**
 * Beyond what elements of a value make no difference to anything that reads it: a hard gate x·clip(slope·x + offset, 0, high) is 0 below
 * −offset/slope, a HardSigmoid constant outside of its line. An encoding need not reach further. ±Infinity where nothing is known.
 */
export function neededBounds(graph: Graph, index: GraphIndex, value: string): KnownBounds {
  if (index.isOutput(value)) return OPEN;
  const uses = index.uses(value);
  if (uses.some(({ input }) => input < 0)) return OPEN;
  const gates = uses.filter(({ node }) => isOp(node, "Mul"));
  const others = uses.filter((use) => !gates.includes(use));
  const bounds = others.map((use) => ofReader(graph, index, value, use, gates));
  // Every product must be one of x with its own gate.
  const closed = gates.filter((gate) => bounds.some(({ product }) => product === gate.node)).length;
  return bounds.length === 0 || closed < gates.length ? OPEN : bounds.reduce(widest, CLOSED);
}

const CLOSED: KnownBounds = { low: Number.POSITIVE_INFINITY, high: Number.NEGATIVE_INFINITY };

interface Needed extends KnownBounds {
  /** The product that a gate closes. */
  readonly product?: Node;
}

/** What one reader tells apart. */
function ofReader(graph: Graph, index: GraphIndex, value: string, { node }: Use, products: readonly Use[]): Needed {
  if (isOp(node, "HardSwish")) return { low: -3, high: Number.POSITIVE_INFINITY };
  if (isOp(node, "HardSigmoid")) {
    const [slope, offset] = [attributeOf(node, "alpha", "float", 0.2), attributeOf(node, "beta", "float", 0.5)];
    if (!(slope > 0)) return OPEN;
    const product = productWith(index, node.outputs[0]!, value, products);
    if (product) return { low: -offset / slope, high: Number.POSITIVE_INFINITY, product };
    return products.length > 0 ? OPEN : { low: -offset / slope, high: (1 - offset) / slope };
  }
  const line = lineOf(graph, node);
  const clip = line && index.onlyConsumer(node.outputs[0]!);
  if (!line || !isOp(clip, "Clip")) return OPEN;
  const { low } = clipBounds(clip, (name) => graph.initializers.get(name));
  const product = productWith(index, clip.outputs[0]!, value, products);
  if (low !== 0 || !product) return OPEN;
  const { slopes, offsets } = line;
  const ends = slopes.map((slope, c) => (slope > 0 ? -offsets[c % offsets.length]! / slope : Number.NEGATIVE_INFINITY));
  return { low: ends.length === 1 ? ends[0]! : ends, high: Number.POSITIVE_INFINITY, product };
}

/** The product of x and its gate, which alone reads the gate. */
function productWith(index: GraphIndex, gate: string, value: string, products: readonly Use[]): Node | undefined {
  const next = index.onlyConsumer(gate);
  return next?.inputs.includes(value) && products.some(({ node }) => node === next) ? next : undefined;
}

/** slope·x + offset by channel: an Add of a number, or a Conv of one weight a channel. */
function lineOf({ initializers }: Graph, node: Node): { slopes: Float64Array; offsets: Float64Array } | undefined {
  const constant = (name: string | undefined) => initializers.get(name ?? "");
  if (isOp(node, "Add")) {
    const offset = node.inputs.map(constant).find((tensor) => tensor?.size === 1);
    return offset && { slopes: Float64Array.of(1), offsets: Float64Array.from(offset.numbers(), Number) };
  }
  const [weight, bias] = [constant(node.inputs[1]), constant(node.inputs[2])];
  if (!isOp(node, "Conv") || !weight || !bias || weight.size !== groupOf(node)) return undefined;
  return { slopes: Float64Array.from(weight.numbers(), Number), offsets: Float64Array.from(bias.numbers(), Number) };
}

/** Both bounds at once. */
export function tighter(one: KnownBounds, other: KnownBounds): KnownBounds {
  return { low: byChannel(one.low, other.low, Math.max, least), high: byChannel(one.high, other.high, Math.min, most) };
}

function widest(one: KnownBounds, other: KnownBounds): KnownBounds {
  return { low: byChannel(one.low, other.low, Math.min, least), high: byChannel(one.high, other.high, Math.max, most) };
}

function byChannel(
  one: number | Float64Array,
  other: number | Float64Array,
  pick: (a: number, b: number) => number,
  join: (bound: number | Float64Array) => number,
): number | Float64Array {
  if (typeof one === "number" && typeof other === "number") return pick(one, other);
  const [list, rest] = typeof one === "number" ? [other as Float64Array, one] : [one, other];
  if (typeof rest === "number") return list.map((a) => pick(a, rest));
  return list.length === rest.length ? list.map((a, c) => pick(a, rest[c]!)) : pick(join(list), join(rest));
}
