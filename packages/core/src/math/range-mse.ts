import { type Encoding, type EncodingOptions, encodingFromRange, integerGrid, type Range } from "./encoding.js";
import type { SortedBins } from "./histogram-bins.js";
import type { ValueHistogram } from "./value-histogram.js";

/** Summed squared error, and the part of it that comes from clipping. */
interface BinError {
  total: number;
  clipping: number;
}

/**
 * E[(x − x̂)²] when the values of a histogram are quantized, the values of a bin being spread evenly over it; exact zeros
 * cost nothing. In steps of the scale, with n = round(t) and f = t − n, the rounding error integrates to
 * ∫₀ᵗ (u − round(u))² du = n/12 + f³/3, so a bin many steps wide costs scale²/12 a value (the usual model), one inside
 * a single step costs its distance to the grid, and the part beyond the range its distance to the last grid point.
 */
export function expectedQuantizationError(histogram: ValueHistogram, encoding: Encoding): number {
  return histogram.total === 0 ? 0 : errorOfBins(histogram.sorted(), encoding).total / histogram.total;
}

function integral(t: number): number {
  const n = Math.round(t);
  const f = t - n;
  return n / 12 + (f * f * f) / 3;
}

function errorOfBins({ lower, upper, count }: SortedBins, encoding: Encoding): BinError {
  const scale = encoding.scale[0]!;
  const lo = encoding.qmin - encoding.zeroPoint[0]!;
  const hi = encoding.qmax - encoding.zeroPoint[0]!;
  let rounding = 0;
  let clipping = 0;
  for (let i = 0; i < count.length; i++) {
    const from = lower[i]! / scale;
    const to = upper[i]! / scale;
    const width = to - from;
    const n = count[i]!;
    // Too narrow for a difference of integrals: the middle stands for the bin.
    if (width < 1e-4) {
      const at = (from + to) / 2;
      if (at > hi) clipping += n * (at - hi) ** 2;
      else if (at < lo) clipping += n * (lo - at) ** 2;
      else rounding += n * (at - Math.round(at)) ** 2;
      continue;
    }
    const inFrom = Math.min(Math.max(from, lo), hi);
    const inTo = Math.min(Math.max(to, lo), hi);
    if (inTo > inFrom) rounding += (n * (integral(inTo) - integral(inFrom))) / width;
    if (to > hi) clipping += (n * ((to - hi) ** 3 - Math.max(from - hi, 0) ** 3)) / (3 * width);
    if (from < lo) clipping += (n * ((lo - from) ** 3 - Math.max(lo - to, 0) ** 3)) / (3 * width);
  }
  return { total: (rounding + clipping) * scale * scale, clipping: clipping * scale * scale };
}

/**
 * Ratio of neighbouring candidates: 2^(1/2) along each of two dimensions, 2^(1/8) along one. Square roots are exact to
 * the last bit in every engine; powers are not, and the chosen range must be the same everywhere.
 */
const GRID_RATIO = Math.sqrt(0.5);
const QUARTER = Math.sqrt(Math.SQRT2);
const LINE_RATIO = Math.sqrt(Math.sqrt(GRID_RATIO));
/** Candidates reach down to 2⁻⁴⁰ of the full range; clipping error ends the search far earlier on real data. */
const SMALLEST = 2 ** -40;

interface Candidate {
  /** −min and max of the range. */
  readonly below: number;
  readonly above: number;
  readonly error: number;
}

/**
 * Clipping range with the least {@link expectedQuantizationError} for the encoding that `options` describe.
 *
 * Symmetric types and data of one sign: a geometric line of candidates from the full range down (2^(1/8) apart), cut off
 * where clipping alone costs more than the best so far; then refined. Asymmetric with both signs: the same on a grid of
 * both ends (2^(1/2) apart), refined from its three best points. Ties go to the wider range.
 */
export function mseRange(histogram: ValueHistogram, options: EncodingOptions): Range {
  const bins = histogram.sorted();
  const below = Math.max(-histogram.min, 0);
  const above = Math.max(histogram.max, 0);
  if (below === 0 && above === 0) return { min: 0, max: 0 };
  const evaluate = (a: number, b: number) => errorOfBins(bins, encodingFromRange({ min: 0 - a, max: b }, options));
  const oneDimensional = integerGrid(options, "mseRange").symmetric || below === 0 || above === 0;
  const best = oneDimensional ? searchLine(below, above, evaluate) : searchGrid(below, above, evaluate);
  return { min: 0 - best.below, max: best.above };
}

type Evaluate = (below: number, above: number) => BinError;

function searchLine(below: number, above: number, evaluate: Evaluate): Candidate {
  const full = Math.max(below, above);
  const at = (limit: number): Candidate & BinError => {
    const a = Math.min(below, limit);
    const b = Math.min(above, limit);
    const error = evaluate(a, b);
    return { below: a, above: b, error: error.total, ...error };
  };
  let best = at(full);
  let bestLimit = full;
  for (let limit = full * LINE_RATIO; limit > full * SMALLEST; limit *= LINE_RATIO) {
    const candidate = at(limit);
    if (candidate.clipping > best.error) break;
    if (candidate.error < best.error) {
      best = candidate;
      bestLimit = limit;
    }
  }
  // From 2^(1/16) down to 2^(1/256).
  for (let i = 0, factor = Math.sqrt(1 / LINE_RATIO); i < 5; i++, factor = Math.sqrt(factor)) {
    for (const limit of [Math.min(bestLimit * factor, full), bestLimit / factor]) {
      const candidate = at(limit);
      if (candidate.error < best.error) {
        best = candidate;
        bestLimit = limit;
        break;
      }
    }
  }
  return best;
}

function searchGrid(below: number, above: number, evaluate: Evaluate): Candidate {
  let starts: Candidate[] = [];
  let least = Infinity;
  for (let a = below; a > below * SMALLEST; a *= GRID_RATIO) {
    let b = above;
    for (; b > above * SMALLEST; b *= GRID_RATIO) {
      const { total, clipping } = evaluate(a, b);
      // Narrower still clips more: the rest of this row cannot win.
      if (clipping > least) break;
      least = Math.min(least, total);
      starts.push({ below: a, above: b, error: total });
      if (starts.length > 64) starts = bestOf(starts, 3);
    }
    // Nor can any further row, if this one was lost from its beginning.
    if (b === above) break;
  }
  const refined = bestOf(starts, 3).map((start) => refine(start, below, above, evaluate));
  return bestOf(refined, 1)[0]!;
}

function bestOf(candidates: Candidate[], n: number): Candidate[] {
  return candidates.sort((x, y) => x.error - y.error || y.below + y.above - x.below - x.above).slice(0, n);
}

/** Moves either end, or both, by ever smaller factors while that helps. */
function refine(start: Candidate, below: number, above: number, evaluate: Evaluate): Candidate {
  let best = start;
  // From 2^(1/4) down to 2^(1/128).
  for (let i = 0, factor = QUARTER; i < 6; i++, factor = Math.sqrt(factor)) {
    const moves = [1 / factor, 1, factor];
    for (let moved = true; moved; ) {
      moved = false;
      const { below: a, above: b } = best;
      for (let move = 0; move < 9; move++) {
        const nextA = Math.min(a * moves[move % 3]!, below);
        const nextB = Math.min(b * moves[Math.floor(move / 3)]!, above);
        if (nextA === a && nextB === b) continue;
        const error = evaluate(nextA, nextB).total;
        if (error < best.error) {
          best = { below: nextA, above: nextB, error };
          moved = true;
        }
      }
    }
  }
  return best;
}
