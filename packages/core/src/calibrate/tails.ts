import { type KnownBounds, least, most } from "../bounds/known-bounds.js";
import { type Range, tailReach, type ValueTails } from "../math/index.js";
import type { ChannelStats } from "./channel-stats.js";

/** Share of a bound from which a channel counts as having reached it: float32 rounding lies below. */
export const REACHED = 1 - 1e-6;

/** Tails of a value whose channels cannot go beyond `bounds`, or need not, and the range nothing can leave. */
export function valueTails(stats: ChannelStats, bounds: KnownBounds): { tails: ValueTails; limits: Range } {
  const { max, min, tail } = stats;
  const high = byChannel(bounds.high, max.length, most);
  const low = byChannel(bounds.low, max.length, least);
  const end = (reach: ArrayLike<number>, scale: ArrayLike<number> | undefined, sign: 1 | -1, limit: BoundOf) => {
    const far = Float64Array.from(reach, (x, c) => Math.max(0, Math.min(sign * x, sign * limit(c))));
    const beyond = far.map((x, c) => (x >= sign * limit(c) * REACHED || !(x > 0) ? 0 : (scale?.[c] ?? 0)));
    return { reach: far, scale: beyond };
  };
  return {
    tails: {
      high: end(max, tail?.high, 1, high),
      low: end(min, tail?.low, -1, low),
      elements: Math.max(1, tail?.elements ?? 1),
    },
    limits: { min: Math.min(0, least(bounds.low)), max: Math.max(0, most(bounds.high)) },
  };
}

/**
 * Statistics whose minima and maxima are those that unseen samples will reach, as far as it pays to leave room for them
 * (`tailReach`), were all channels scaled to end where the range does.
 */
export function extendedStats(stats: ChannelStats, bounds: KnownBounds, levels: number): ChannelStats {
  if (!stats.tail) return stats;
  const { tails } = valueTails(stats, bounds);
  const reach = tailReach(tails, levels);
  const { high, low } = tails;
  const top = byChannel(bounds.high, stats.max.length, most);
  const bottom = byChannel(bounds.low, stats.max.length, least);
  return {
    ...stats,
    max: Float64Array.from(stats.max, (x, c) => Math.max(x, Math.min(top(c), x + reach * high.scale[c]!))),
    min: Float64Array.from(stats.min, (x, c) => Math.min(x, Math.max(bottom(c), x - reach * low.scale[c]!))),
  };
}

/** Statistics as if elements ended at `bounds`, beyond which nothing tells them apart. */
export function withinBounds(stats: ChannelStats, bounds: KnownBounds): ChannelStats {
  const top = byChannel(bounds.high, stats.max.length, most);
  const bottom = byChannel(bounds.low, stats.min.length, least);
  return {
    ...stats,
    max: Float64Array.from(stats.max, (x, c) => Math.min(x, top(c))),
    min: Float64Array.from(stats.min, (x, c) => Math.max(x, bottom(c))),
  };
}

type BoundOf = (channel: number) => number;

/** A bound by channel where it has as many entries as there are channels, the widest of them for all where not. */
function byChannel(bound: KnownBounds["high"], channels: number, widest: typeof most): BoundOf {
  if (typeof bound !== "number" && bound.length === channels) return (c) => bound[c]!;
  const all = widest(bound);
  return () => all;
}
