import type { ChannelFlow, NodeFlow, ObservedShapes } from "../channels/flow.js";
import { sizeOf, type Tensor } from "../graph/index.js";

/** Bounds of every channel of a value, over all inputs and positions. */
export interface ChannelIntervals {
  readonly low: Float64Array;
  readonly high: Float64Array;
}

export function unbounded(count: number): ChannelIntervals {
  return {
    low: new Float64Array(count).fill(Number.NEGATIVE_INFINITY),
    high: new Float64Array(count).fill(Number.POSITIVE_INFINITY),
  };
}

/** What an interval rule may ask about the node it looks at. */
export interface IntervalView {
  readonly flow: ChannelFlow;
  readonly node: NodeFlow;
  readonly shapes: ObservedShapes;
  readonly intervals: ReadonlyMap<string, ChannelIntervals>;
}

/** Elements of a float32 or float64 constant; undefined for other types. */
export function floatsOf(tensor: Tensor): ArrayLike<number> | undefined {
  if (tensor.dtype !== "float32" && tensor.dtype !== "float64") return undefined;
  return tensor.array() as Float32Array | Float64Array;
}

/** Least and largest element of a constant at every index along `axis`; a constant without that axis has one for all. */
export function constantByChannel(tensor: Tensor, axis: number, count: number): ChannelIntervals | undefined {
  const values = floatsOf(tensor);
  const size = tensor.dims[axis] ?? 1;
  if (!values || (size !== 1 && size !== count) || values.length === 0) return undefined;
  const low = new Float64Array(size).fill(Number.POSITIVE_INFINITY);
  const high = new Float64Array(size).fill(Number.NEGATIVE_INFINITY);
  const inner = sizeOf(tensor.dims.slice(axis + 1));
  for (let flat = 0; flat < values.length; flat++) {
    const channel = axis < 0 ? 0 : Math.floor(flat / inner) % size;
    const value = values[flat]!;
    // NaN fails both comparisons and leaves the channel empty: see below.
    if (!(value >= low[channel]!)) low[channel] = value;
    if (!(value <= high[channel]!)) high[channel] = value;
  }
  if (low.some(Number.isNaN) || high.some(Number.isNaN)) return undefined;
  if (size === count) return { low, high };
  return { low: new Float64Array(count).fill(low[0]!), high: new Float64Array(count).fill(high[0]!) };
}

/** Bounds of input `position` for every channel of the node's output, constants and broadcasting included. */
export function operand(view: IntervalView, position: number): ChannelIntervals | undefined {
  const { flow, node, shapes } = view;
  const value = node.node.inputs[position] ?? "";
  const output = node.outputs[0]!;
  const space = flow.space(output)!;
  const constant = flow.constant(value);
  if (!constant) return node.inputs.includes(value) ? linked(view, value, output) : undefined;
  if (space.axes.length > 1) {
    // Channels on several axes: one pair of bounds for all.
    return constantByChannel(constant, -1, space.count);
  }
  const rank = shapes.get(output)?.dims.length ?? 0;
  return constantByChannel(constant, (space.axes[0] ?? 0) - (rank - constant.dims.length), space.count);
}

/** Bounds of one input for every channel of one output, along the links: the hull where several meet, ±∞ where none leads. */
export function linked({ flow, node, intervals }: IntervalView, input: string, output: string): ChannelIntervals {
  const { low, high, reached } = hullOf(flow, node, intervals, (link) => link.input === input, output);
  open(low, high, reached);
  return { low, high };
}

/** As {@link linked}, over all inputs, and which channels are reached by none. */
export function moved({ flow, node, intervals }: IntervalView, output: string) {
  return hullOf(flow, node, intervals, () => true, output);
}

function hullOf(
  flow: ChannelFlow,
  node: NodeFlow,
  intervals: ReadonlyMap<string, ChannelIntervals>,
  wanted: (link: NodeFlow["links"][number]) => boolean,
  output: string,
) {
  const count = flow.space(output)!.count;
  const low = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  const high = new Float64Array(count).fill(Number.NEGATIVE_INFINITY);
  const reached = new Uint8Array(count);
  for (const link of node.links) {
    if (link.output !== output || !wanted(link)) continue;
    const source = intervals.get(link.input)!;
    for (let k = 0; k < link.from.length; k++) {
      const to = link.to[k]!;
      reached[to] = 1;
      low[to] = Math.min(low[to]!, source.low[link.from[k]!]!);
      high[to] = Math.max(high[to]!, source.high[link.from[k]!]!);
    }
  }
  return { low, high, reached };
}

/** Channels that no link reaches may hold anything. */
export function open(low: Float64Array, high: Float64Array, reached: Uint8Array): void {
  reached.forEach((yes, channel) => {
    if (yes === 1) return;
    low[channel] = Number.NEGATIVE_INFINITY;
    high[channel] = Number.POSITIVE_INFINITY;
  });
}
