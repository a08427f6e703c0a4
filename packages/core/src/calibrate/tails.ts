import { type Range, tailReach, type ValueTails } from "../math/index.js";
import type { ChannelStats } from "./channel-stats.js";
import type { KnownBounds } from "./known-bounds.js";

/** Share of a bound from which a channel counts as having reached it: float32 rounding lies below. */
const REACHED = 1 - 1e-6;

/** Tails of a value whose channels cannot go beyond `bounds`, and the range nothing can leave. */
export function valueTails(stats: ChannelStats, bounds: KnownBounds): { tails: ValueTails; limits: Range } {
  const { max, min, tail } = stats;
  const high = bound(bounds.high, max.length, (a, b) => Math.max(a, b));
  const low = bound(bounds.low, max.length, (a, b) => Math.min(a, b));
  const end = (reach: ArrayLike<number>, scale: ArrayLike<number> | undefined, sign: 1 | -1, limit: Bound) => {
    const far = Float64Array.from(reach, (x) => Math.max(0, sign * x));
    const beyond = far.map((x, c) => (x >= sign * limit.of(c) * REACHED || !(x > 0) ? 0 : (scale?.[c] ?? 0)));
    return { reach: far, scale: beyond };
  };
  return {
    tails: {
      high: end(max, tail?.high, 1, high),
      low: end(min, tail?.low, -1, low),
      elements: Math.max(1, tail?.elements ?? 1),
    },
    limits: { min: Math.min(0, low.all), max: Math.max(0, high.all) },
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
  const of = (limit: number | Float64Array, c: number) => (typeof limit === "number" ? limit : (limit[c] ?? limit[0]!));
  const { high, low } = tails;
  return {
    ...stats,
    max: Float64Array.from(stats.max, (x, c) => Math.max(x, Math.min(of(bounds.high, c), x + reach * high.scale[c]!))),
    min: Float64Array.from(stats.min, (x, c) => Math.min(x, Math.max(of(bounds.low, c), x - reach * low.scale[c]!))),
  };
}

interface Bound {
  readonly all: number;
  readonly of: (channel: number) => number;
}

/** A bound by channel where it has as many entries as there are channels, the widest of them for all where not. */
function bound(given: number | Float64Array, channels: number, widest: (a: number, b: number) => number): Bound {
  if (typeof given !== "number" && given.length === channels)
    return { all: given.reduce(widest), of: (c) => given[c]! };
  const all = typeof given === "number" ? given : given.reduce(widest);
  return { all, of: () => all };
}
