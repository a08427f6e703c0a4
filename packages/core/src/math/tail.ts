import type { Range } from "./encoding.js";

/** One end of the channels of a value: how far each went on calibration data, and how its samples' extremes scatter. */
export interface ChannelEnds {
  /** By channel, distance from 0 of the farthest element seen; ≥ 0. */
  readonly reach: ArrayLike<number>;
  /** By channel, scale β of the tail beyond it; 0 where nothing can lie beyond. */
  readonly scale: ArrayLike<number>;
}

/** Both ends of a value that is to be quantized. */
export interface ValueTails {
  readonly high: ChannelEnds;
  readonly low: ChannelEnds;
  /** Elements seen of each channel. */
  readonly elements: number;
}

/** Passes over both ends; each is a convex problem of its own, and they hang together by the width only. */
const ROUNDS = 4;
/** Bisections: the width of a tail over 2³⁰. */
const HALVINGS = 30;
/** Farthest point looked at, in tail scales: e⁻⁴⁰ of the clipping error is left there. */
const FARTHEST = 40;

/**
 * Scale of a channel's tail from the extremes of its samples: their standard deviation, which is the scale where extremes
 * are exponential, and π/√6 times it where they follow Gumbel's law, as extremes of exponential tails do.
 */
export function tailScale(samples: number, sum: number, sumSquares: number): number {
  if (samples < 2) return 0;
  const mean = sum / samples;
  const variance = Math.max(0, sumSquares / samples - mean * mean);
  // Differences of sums carry rounding; what it cannot tell from 0 is 0.
  return variance <= 1e-12 * (mean * mean) ? 0 : Math.sqrt(variance);
}

/**
 * The range with the least expected error on data like those seen. Of n elements of a channel the next ones exceed the farthest
 * with a chance of 1/n, by an excess that is exponential with scale β; so with the range [−L, H], its step s = (L + H)/levels, and C channels
 *
 *   E = s²/12 + 1/(C n) Σ_c 2β_c² (exp(−(H − h_c)/β_c) + exp(−(L − l_c)/β_c))
 *
 * where the first term is rounding and the others what is cut off of values that calibration did not see. It is convex; it never
 * falls short of what was seen, nor goes beyond `bounds`. Where values are many and ends agree it is the minimum and maximum.
 * It matters after equalization, when every channel ends where the range does, so that any may exceed it.
 */
export function tailRange(tails: ValueTails, levels: number, bounds: Range): Range {
  const { high, low, elements } = tails;
  const start = { high: farthest(high), low: farthest(low) };
  let top = start.high;
  let bottom = start.low;
  for (let round = 0; round < ROUNDS; round++) {
    top = end(high, start.high, bottom, elements, levels, bounds.max);
    bottom = end(low, start.low, top, elements, levels, -bounds.min);
  }
  return { min: 0 - bottom, max: top };
}

/**
 * How many tail scales beyond what was seen the range of a value goes once all its channels end at the same place: κ of
 * h = 1 + κρ, with ρ the mean of β/reach, where E of {@link tailRange} is least. 0 where rounding outweighs all that is cut off.
 */
export function tailReach({ high, low, elements }: ValueTails, levels: number): number {
  let sum = 0;
  let count = 0;
  for (const { reach, scale } of [high, low]) {
    for (let c = 0; c < reach.length; c++) {
      if (!(scale[c]! > 0 && reach[c]! > 0)) continue;
      sum += scale[c]! / reach[c]!;
      count++;
    }
  }
  if (count === 0) return 0;
  const ratio = sum / count;
  const width = farthest(low) > 0 && farthest(high) > 0 ? 2 : 1;
  let reach = 0;
  for (let round = 0; round < ROUNDS; round++) {
    reach = Math.max(0, Math.log((2 * ratio * 6 * levels * levels) / (elements * width * (1 + reach * ratio))));
  }
  return Math.min(reach, FARTHEST);
}

/** Where dE/dH = 0, between what was seen and the bound; `other` is how far the range goes on the other side. */
function end(ends: ChannelEnds, seen: number, other: number, elements: number, levels: number, bound: number): number {
  const slope = (at: number) => (at + other) / (6 * levels * levels) - cutOff(ends, at, elements);
  if (seen >= bound || slope(seen) >= 0) return seen;
  let low = seen;
  let high = Math.min(bound, seen + FARTHEST * farthestScale(ends));
  if (slope(high) < 0) return high;
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (slope(middle) < 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** −d/dH of the error cut off: 1/(C n) Σ 2β exp(−(H − h)/β). */
function cutOff({ reach, scale }: ChannelEnds, at: number, elements: number): number {
  let sum = 0;
  for (let c = 0; c < reach.length; c++) {
    const beta = scale[c]!;
    if (beta > 0) sum += 2 * beta * Math.exp(-(at - reach[c]!) / beta);
  }
  return sum / (reach.length * elements);
}

const farthest = ({ reach }: ChannelEnds) => largest(reach);
const farthestScale = ({ scale }: ChannelEnds) => largest(scale);

function largest(values: ArrayLike<number>): number {
  let result = 0;
  for (let i = 0; i < values.length; i++) result = Math.max(result, values[i]!);
  return result;
}
