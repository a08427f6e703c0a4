import type { ChannelFlow, NodeFlow, ObservedShapes } from "../channels/flow.js";
import { layerIntervals } from "./layer-intervals.js";
import { type ChannelIntervals, unbounded } from "./operands.js";
import { INTERVAL_RULES } from "./rules.js";

export type { ChannelIntervals };

/** What a preprocessing can produce: one range for all channels of the input, or one for each. */
export interface InputRange {
  readonly min: number | ArrayLike<number>;
  readonly max: number | ArrayLike<number>;
}

/** Options for {@link channelIntervals}. */
export interface IntervalOptions {
  /** Range of the graph inputs. Default: unknown, from −∞ to +∞. */
  inputRange?: InputRange | undefined;
  /** Channels known to be constant from elsewhere, by value; NaN where nothing is known. They replace what follows from the graph. */
  known?: ReadonlyMap<string, Float64Array> | undefined;
}

/**
 * Interval arithmetic over a graph: bounds of every channel of every float activation. Sound for every input in the range,
 * float32 rounding of the layers' sums included; an operator without a rule gives −∞…+∞.
 */
export function channelIntervals(
  flow: ChannelFlow,
  shapes: ObservedShapes,
  options: IntervalOptions = {},
): Map<string, ChannelIntervals> {
  const intervals = new Map<string, ChannelIntervals>();
  const set = (value: string, bounds: ChannelIntervals) => {
    const known = options.known?.get(value);
    known?.forEach((constant, channel) => {
      if (Number.isNaN(constant)) return;
      bounds.low[channel] = constant;
      bounds.high[channel] = constant;
    });
    intervals.set(value, bounds);
  };
  for (const { name } of flow.graph.inputs) {
    const space = flow.space(name);
    if (space) set(name, inputBounds(space.count, options.inputRange));
  }
  for (const node of flow.nodes) {
    const results = node.layer || node.reason === undefined ? nodeIntervals(flow, node, shapes, intervals) : undefined;
    node.outputs.forEach((value, k) => {
      const count = flow.space(value)?.count ?? 0;
      set(value, results?.[k] ?? unbounded(count));
    });
  }
  return intervals;
}

function nodeIntervals(
  flow: ChannelFlow,
  node: NodeFlow,
  shapes: ObservedShapes,
  intervals: ReadonlyMap<string, ChannelIntervals>,
): readonly ChannelIntervals[] | undefined {
  if (node.layer) {
    const input = intervals.get(node.layer.input);
    if (!input) return undefined;
    return [layerIntervals(flow, node.layer, node.reason === undefined ? input : hull(input, node.layer.inChannels))];
  }
  return INTERVAL_RULES.get(node.node.opType)?.({ flow, node, shapes, intervals });
}

/** Bounds over all channels, for a layer that counts the channels of its input along another axis. */
function hull({ low, high }: ChannelIntervals, count: number): ChannelIntervals {
  const least = low.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = high.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return { low: new Float64Array(count).fill(least), high: new Float64Array(count).fill(most) };
}

function inputBounds(count: number, range: InputRange | undefined): ChannelIntervals {
  const bounds = unbounded(count);
  if (!range) return bounds;
  const at = (bound: number | ArrayLike<number>, channel: number) =>
    typeof bound === "number" ? bound : (bound[channel] ?? Number.NaN);
  for (let channel = 0; channel < count; channel++) {
    const low = at(range.min, channel);
    const high = at(range.max, channel);
    // A list that is too short says nothing of the channels behind it.
    if (low <= high) {
      bounds.low[channel] = low;
      bounds.high[channel] = high;
    }
  }
  return bounds;
}

/** Constant of every channel whose bounds meet, NaN elsewhere. */
export function constantsOf(bounds: ChannelIntervals): Float64Array {
  return bounds.low.map((low, channel) => (low === bounds.high[channel] && Number.isFinite(low) ? low : Number.NaN));
}
