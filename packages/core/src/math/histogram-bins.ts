/** Sign, 8 exponent bits and the top 4 mantissa bits of a float32: its bits >>> 19. */
export const BIN_COUNT = 8192;
/** Bins of one sign; negative values follow the positive ones. */
export const SIGN_BINS = 4096;
/** Bins of one sign that hold finite values: exponent field below 255. */
export const FINITE_BINS = 4080;
/** Exponents of denormals below all bins but the first: floor(log2|x|) = −149 … −131. */
export const TINY_EXPONENTS = 19;

/**
 * Lower edges of |x| for the finite bins of one sign, and 2¹²⁸ as the end of the last one. Bin i holds edge[i] ≤ |x| < edge[i+1].
 * A bin is 1/16 of a power of two: 6.25 % of its lower edge at most; denormal bins are 2⁻¹³⁰ wide.
 */
export const BIN_EDGES: Float64Array = /* @__PURE__ */ (() => {
  const edges = new Float64Array(FINITE_BINS + 1);
  for (let i = 0; i <= FINITE_BINS; i++) {
    const exponent = i >> 4;
    const mantissa = i & 15;
    edges[i] = exponent === 0 ? mantissa * 2 ** -130 : (1 + mantissa / 16) * 2 ** (exponent - 127);
  }
  return edges;
})();

/** Non-empty bins in ascending order of value, exact zeros left out. A bin with lower = upper is one exact value. */
export interface SortedBins {
  readonly lower: Float64Array;
  readonly upper: Float64Array;
  readonly count: Float64Array;
}

/** What {@link sortBins} reads of a histogram. */
export interface BinSource {
  readonly counts: Float64Array;
  /** Nonzero values in the bins that zeros share. */
  readonly positiveTiny: number;
  readonly negativeTiny: number;
  readonly min: number;
  readonly max: number;
}

/**
 * Lists the bins from the most negative to the most positive value, cut at the exact minimum and maximum. One count of
 * the outermost bins is known to be exactly the minimum (maximum) and is listed as a bin of its own, of width 0: an
 * outlier's clipping error is then exact, not spread over 6 %.
 */
export function sortBins(source: BinSource): SortedBins {
  const { counts, min, max } = source;
  const lower: number[] = [];
  const upper: number[] = [];
  const count: number[] = [];
  const push = (from: number, to: number, n: number) => {
    if (n === 0) return;
    lower.push(Math.max(from, min));
    upper.push(Math.max(Math.min(to, max), lower.at(-1)!));
    count.push(n);
  };
  for (let i = FINITE_BINS - 1; i >= 0; i--) {
    push(-BIN_EDGES[i + 1]!, -BIN_EDGES[i]!, i === 0 ? source.negativeTiny : counts[SIGN_BINS + i]!);
  }
  for (let i = 0; i < FINITE_BINS; i++) {
    push(BIN_EDGES[i]!, BIN_EDGES[i + 1]!, i === 0 ? source.positiveTiny : counts[i]!);
  }
  // A minimum (maximum) that is not 0 lies in the first (last) bin of the list.
  if (count.length > 0 && min !== 0 && lower[0]! < upper[0]!) {
    count[0]!--;
    lower.unshift(min);
    upper.unshift(min);
    count.unshift(1);
  }
  const last = count.length - 1;
  if (last >= 0 && max !== 0 && lower[last]! < upper[last]! && count[last]! > 0) {
    count[last]!--;
    lower.push(max);
    upper.push(max);
    count.push(1);
  }
  const kept = count.map((n, i) => (n > 0 ? i : -1)).filter((i) => i >= 0);
  return {
    lower: Float64Array.from(kept, (i) => lower[i]!),
    upper: Float64Array.from(kept, (i) => upper[i]!),
    count: Float64Array.from(kept, (i) => count[i]!),
  };
}
