import { FINITE_BINS, SIGN_BINS, TINY_EXPONENTS } from "./histogram-bins.js";
import type { ValueHistogram } from "./value-histogram.js";

/** Values counted by the place of their most significant bit (MathWorks' quantization page). */
export interface MsbHistogram {
  /** Exponent of the first entry of both lists: values with 2^first ≤ |x| < 2^(first+1). */
  readonly first: number;
  /** Counts of positive and negative values by exponent first, first + 1, …; of equal length, cut to what is not empty. */
  readonly positive: number[];
  readonly negative: number[];
  /** Exact zeros. */
  readonly zeros: number;
  /** All finite values, zeros included. */
  readonly total: number;
}

const LOWEST = -149;
const EXPONENTS = 277; // −149 … 127

/**
 * Counts by floor(log2|x|), exact for every finite float32.
 *
 * For a normal float this is its exponent field − 127: the sum of 16 neighbouring bins. A denormal's field is 0 whatever
 * its size; its bins 2ᵏ … 2ᵏ⁺¹−1 (k = 0…3) have exponents −130 … −127, and what lies below 2⁻¹³⁰ was counted apart.
 */
export function msbHistogram(histogram: ValueHistogram): MsbHistogram {
  const positive = bySign(histogram, false);
  const negative = bySign(histogram, true);
  let first = 0;
  let end = EXPONENTS;
  while (first < end && positive[first] === 0 && negative[first] === 0) first++;
  while (end > first && positive[end - 1] === 0 && negative[end - 1] === 0) end--;
  return {
    first: first === end ? 0 : first + LOWEST,
    positive: Array.from(positive.subarray(first, end)),
    negative: Array.from(negative.subarray(first, end)),
    zeros: histogram.zeros,
    total: histogram.total,
  };
}

function bySign(histogram: ValueHistogram, isNegative: boolean): Float64Array {
  const counts = histogram.counts;
  const offset = isNegative ? SIGN_BINS : 0;
  const result = new Float64Array(EXPONENTS);
  result.set(histogram.tinyByExponent(isNegative));
  for (let i = 1; i < FINITE_BINS; i++) {
    const field = i >> 4;
    const index = field > 0 ? field - 127 - LOWEST : TINY_EXPONENTS + 31 - Math.clz32(i);
    result[index] = result[index]! + counts[offset + i]!;
  }
  return result;
}
