import { OptionsError } from "../errors.js";

/**
 * Signal-to-quantization-noise ratio E[Y²] / E[(Y − Ŷ)²] (Meller et al. 2019, eq. (8)), linear.
 * No noise: ∞, even for an all-zero signal (nothing was lost). Noise on an all-zero signal: 0. NaN or ∞ in either: NaN.
 *
 * @throws {OptionsError} E2002: lengths differ.
 */
export function sqnr(signal: ArrayLike<number>, noisy: ArrayLike<number>): number {
  if (signal.length !== noisy.length) {
    throw new OptionsError("E2002", `sqnr: ${signal.length} values against ${noisy.length}, expected equal lengths`, {
      expected: signal.length,
      actual: noisy.length,
    });
  }
  let power = 0;
  let noise = 0;
  for (let i = 0; i < signal.length; i++) {
    const y = signal[i]!;
    const difference = y - noisy[i]!;
    power += y * y;
    noise += difference * difference;
  }
  return sqnrOfPowers(power, noise);
}

/** {@link sqnr} from sums (or means) of squares. */
export function sqnrOfPowers(signal: number, noise: number): number {
  if (!Number.isFinite(signal) || !Number.isFinite(noise)) return Number.NaN;
  return noise === 0 ? Infinity : signal / noise;
}

/** Decibels of a power ratio: 10·log10(ratio); ∞ → ∞, 0 → −∞. */
export function toDb(ratio: number): number {
  return 10 * Math.log10(ratio);
}

/** Power ratio of decibels: 10^(db/10). */
export function fromDb(db: number): number {
  return 10 ** (db / 10);
}

/** {@link sqnr} in dB. */
export function sqnrDb(signal: ArrayLike<number>, noisy: ArrayLike<number>): number {
  return toDb(sqnr(signal, noisy));
}

/**
 * Quantiles of values by linear interpolation between order statistics at position p·(n − 1) (Hyndman–Fan type 7, as
 * numpy). Input is left as it is. NaN for no values or if a value is NaN.
 *
 * @throws {OptionsError} E2002: p outside 0 … 1.
 */
export function quantiles(values: ArrayLike<number>, shares: readonly number[]): number[] {
  for (const p of shares) {
    if (!(p >= 0 && p <= 1)) {
      throw new OptionsError("E2002", `quantiles: invalid share ${p}, expected 0-1`, { expected: "0-1", actual: p });
    }
  }
  const sorted = Float64Array.from(values).sort(); // typed arrays sort by value, NaN last
  const n = sorted.length;
  if (n === 0 || Number.isNaN(sorted[n - 1])) return shares.map(() => Number.NaN);
  return shares.map((p) => {
    const at = p * (n - 1);
    const low = sorted[Math.floor(at)]!;
    const high = sorted[Math.ceil(at)]!;
    // Equal neighbours may be infinite, whose difference would be NaN.
    return low === high ? low : low + (high - low) * (at - Math.floor(at));
  });
}

/** One quantile; see {@link quantiles}. */
export function quantile(values: ArrayLike<number>, p: number): number {
  return quantiles(values, [p])[0]!;
}

/** Arithmetic mean; NaN for no values. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Cosine of the angle between two vectors of one length; 0 where one of them is zero. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [product, squaresA, squaresB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i]! * b[i]!;
    squaresA += a[i]! ** 2;
    squaresB += b[i]! ** 2;
  }
  return squaresA === 0 || squaresB === 0 ? 0 : product / Math.sqrt(squaresA * squaresB);
}

/** The middle value, or the mean of the two middle ones. NaN for no values. */
export function median(values: ArrayLike<number>): number {
  return quantile(values, 0.5);
}

/** What a box plot draws: minimum, quartiles, maximum. */
export interface FiveNumbers {
  readonly min: number;
  readonly q1: number;
  readonly median: number;
  readonly q3: number;
  readonly max: number;
}

/** Minimum, quartiles and maximum of values, sorted once. All NaN for no values. */
export function fiveNumbers(values: ArrayLike<number>): FiveNumbers {
  const [min, q1, middle, q3, max] = quantiles(values, [0, 0.25, 0.5, 0.75, 1]) as [
    number,
    number,
    number,
    number,
    number,
  ];
  return { min, q1, median: middle, q3, max };
}

/** `a` ranks before `b`: larger, or a number against NaN. */
function beats(a: number, b: number): boolean {
  return a > b || (Number.isNaN(b) && !Number.isNaN(a));
}

/** Index of the largest of `values[from, to)`, relative to `from`; the first of equals; NaN ranks last. −1 if empty. */
export function argmax(values: ArrayLike<number>, from = 0, to = values.length): number {
  if (to <= from) return -1;
  let best = from;
  for (let i = from + 1; i < to; i++) {
    if (beats(values[i]!, values[best]!)) best = i;
  }
  return best - from;
}

/** Indices of the k largest of `values[from, to)`, best first, relative to `from`; lower index first among equals, NaN last. */
export function topK(values: ArrayLike<number>, k: number, from = 0, to = values.length): number[] {
  const best: number[] = [];
  const size = Math.min(k, to - from);
  for (let i = from; i < to; i++) {
    if (best.length === size && (size === 0 || !beats(values[i]!, values[best[size - 1]!]!))) continue;
    let at = best.length;
    while (at > 0 && beats(values[i]!, values[best[at - 1]!]!)) at--;
    best.splice(at, 0, i);
    if (best.length > size) best.pop();
  }
  return best.map((i) => i - from);
}

/**
 * exp(xᵢ) / Σ exp(xⱼ) in float64 over `values[from, to)`; the maximum is subtracted first, so nothing overflows.
 * Several +∞ share the probability; all −∞ is uniform (the limit of equal values); NaN gives NaN.
 */
export function softmax(values: ArrayLike<number>, from = 0, to = values.length): Float64Array {
  const result = new Float64Array(Math.max(0, to - from));
  let max = -Infinity;
  for (let i = from; i < to; i++) max = Math.max(max, values[i]!);
  let total = 0;
  for (let i = from; i < to; i++) {
    const x = values[i]!;
    const e = x === max ? 1 : Math.exp(x - max);
    result[i - from] = e;
    total += e;
  }
  for (let i = 0; i < result.length; i++) result[i] = result[i]! / total;
  return result;
}
