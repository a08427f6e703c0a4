import type { ActivationStats } from "../calibrate/channel-stats.js";
import { type ChannelFlow, channelFlow, type ObservedShapes } from "../channels/flow.js";
import { sameAxes } from "../channels/space.js";
import type { Model } from "../graph/index.js";
import { factsOf } from "../operators/facts.js";

/** Spread of a channel, as share of the value's largest magnitude, up to which it counts as constant. */
const CONSTANT_TOLERANCE = 1e-6;

/** Values whose range by channel {@link removeDeadChannels} wants: those behind activations that cut off. */
export function deadChannelValues(model: Model, shapes: ObservedShapes): string[] {
  const flow = channelFlow(model.graph, shapes);
  return flow.nodes.flatMap(({ node, outputs }) => (factsOf(node)?.saturates ? outputs : []));
}

/**
 * Channels that had one value on all calibration data, to {@link CONSTANT_TOLERANCE} of the value's largest magnitude;
 * NaN for all others. Statistics count channels along axis 1 (the last axis up to rank 2): others are left out.
 */
export function observedConstants(
  flow: ChannelFlow,
  shapes: ObservedShapes,
  stats: ActivationStats,
): Map<string, Float64Array> {
  const constants = new Map<string, Float64Array>();
  for (const [value, { min, max }] of stats) {
    const space = flow.space(value);
    const axis = Math.min(1, (shapes.get(value)?.dims.length ?? 0) - 1);
    if (!space || space.count !== min.length || !sameAxes(space.axes, [axis])) continue;
    const magnitude = Array.from(min).reduce(
      (top, low, channel) => Math.max(top, Math.abs(low), Math.abs(max[channel]!)),
      0,
    );
    const tolerance = CONSTANT_TOLERANCE * magnitude;
    const own = Float64Array.from({ length: space.count }, (_, channel) => {
      const [low, high] = [min[channel]!, max[channel]!];
      if (!(high - low <= tolerance)) return Number.NaN;
      const middle = (low + high) / 2;
      return Math.abs(middle) <= tolerance ? 0 : middle;
    });
    if (own.some((constant) => !Number.isNaN(constant))) constants.set(value, own);
  }
  return constants;
}
