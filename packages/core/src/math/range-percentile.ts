import type { Range } from "./encoding.js";
import type { SortedBins } from "./histogram-bins.js";
import type { ValueHistogram } from "./value-histogram.js";

/**
 * Range that keeps `percent` % of all values (zeros included) and clips floor((1 − percent/100)·n) of them.
 *
 * Symmetric: the largest |x| are clipped, on whichever side they are. Asymmetric: half of that number on each side; all of
 * it on one side when the data have one sign, because the range ends at 0 on the other. With nothing to clip the result
 * is the exact minimum and maximum; otherwise an end lies in the same bin as the outermost value that is kept, so it is
 * off by 6.25 % of that value at most.
 */
export function percentileRange(histogram: ValueHistogram, percent: number, symmetric: boolean): Range {
  const { total, zeros, min, max } = histogram;
  // The tiny factor keeps 10,000 · (100 − 99.99)/100 from becoming 0.99999….
  const budget = Math.floor(((total * (100 - percent)) / 100) * (1 + 1e-9));
  const bins = histogram.sorted();
  if (symmetric) {
    const limit = valueAfterClipping(magnitudes(bins), zeros, budget);
    return { min: Math.max(Math.min(min, 0), -limit), max: Math.min(Math.max(max, 0), limit) };
  }
  const each = min < 0 && max > 0 ? Math.floor(budget / 2) : budget;
  return {
    min: min < 0 ? -valueAfterClipping(mirrored(bins), zeros, each) : 0,
    max: max > 0 ? valueAfterClipping(bins, zeros, each) : 0,
  };
}

/** The upper end that is left when the `budget` largest values are clipped, values being spread evenly in a bin; 0 at least. */
function valueAfterClipping(bins: SortedBins, zeros: number, budget: number): number {
  const { lower, upper, count } = bins;
  let left = budget;
  for (let i = count.length - 1; i >= 0; i--) {
    if (upper[i]! <= 0 && left < zeros) return 0;
    if (upper[i]! <= 0) break;
    if (left < count[i]!) return Math.max(0, upper[i]! - ((upper[i]! - lower[i]!) * left) / count[i]!);
    left -= count[i]!;
  }
  return 0;
}

/** The bins of −x. */
function mirrored(bins: SortedBins): SortedBins {
  return {
    lower: bins.upper.map((x) => -x).reverse(),
    upper: bins.lower.map((x) => -x).reverse(),
    count: bins.count.slice().reverse(),
  };
}

/** The bins of |x|. */
function magnitudes(bins: SortedBins): SortedBins {
  const { lower, upper, count } = bins;
  const of = (i: number) => (lower[i]! < 0 ? [-upper[i]!, -lower[i]!, count[i]!] : [lower[i]!, upper[i]!, count[i]!]);
  const list = Array.from(count, (_, i) => of(i) as [number, number, number]);
  list.sort((a, b) => a[1] - b[1] || a[0] - b[0]);
  return {
    lower: Float64Array.from(list, (bin) => bin[0]),
    upper: Float64Array.from(list, (bin) => bin[1]),
    count: Float64Array.from(list, (bin) => bin[2]),
  };
}
