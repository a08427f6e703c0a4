import { type Encoding, type EncodingOptions, encodingFromRange, type Range } from "./encoding.js";
import type { SortedBins } from "./histogram-bins.js";
import type { ValueHistogram } from "./value-histogram.js";

/** Candidates clip no more than this share of the nonzero values. */
const MOST_CLIPPED = 0.5;
/** Finest detail of the reference distribution, in steps: 2048 bins for 128 levels, as TensorRT's calibrator has. */
const DETAIL = 1 / 16;

/**
 * Range whose quantized distribution diverges least from the original one: the idea of TensorRT's entropy calibration
 * (S. Migacz, "8-bit Inference with TensorRT", GTC 2017) and of ONNX Runtime's, on the bit-keyed histogram.
 *
 * Candidates are [max(min, −t), min(max, t)] for every t that is an edge of a non-empty bin and clips at most half of the
 * nonzero values. See {@link klDivergence} for what is minimised; ties go to the wider range. Exact zeros take no part:
 * they are exact in every encoding, and the spike that Relu leaves there would otherwise decide.
 */
export function entropyRange(histogram: ValueHistogram, options: EncodingOptions): Range {
  const full = { min: Math.min(histogram.min, 0), max: Math.max(histogram.max, 0) };
  const bins = histogram.sorted();
  const { lower, upper, count } = bins;
  let nonzero = 0;
  for (const n of count) nonzero += n;
  const order = Array.from(count, (_, i) => i);
  const outer = (i: number) => Math.max(-lower[i]!, upper[i]!);
  order.sort((a, b) => outer(b) - outer(a));
  let best = full;
  let least = divergence(bins, encodingFromRange(full, options));
  let clipped = 0;
  let previous = Infinity;
  for (const i of order) {
    const limit = outer(i);
    if (limit < previous && previous !== Infinity) {
      if (clipped > MOST_CLIPPED * nonzero) break;
      const range = { min: Math.max(full.min, -limit), max: Math.min(full.max, limit) };
      const value = divergence(bins, encodingFromRange(range, options));
      if (value < least) {
        least = value;
        best = range;
      }
    }
    previous = limit;
    clipped += count[i]!;
  }
  return best;
}

/**
 * Kullback–Leibler divergence Σ p·log(p/q) that {@link entropyRange} minimises, in nats; ∞ where q is 0 and p is not.
 *
 * p is the distribution of the nonzero values, evenly spread within each bin (at least 1/16 step wide); values that
 * saturate are added to the outermost step, in proportion to what is there. q is what quantization leaves of p *without*
 * the saturated values: the mass of every step (the values that round to one integer) spread evenly over that part of
 * the step where p has any. So q is flat where p has detail inside a step (step too coarse), and too low at the ends by
 * what was clipped (range too narrow).
 */
export function klDivergence(histogram: ValueHistogram, encoding: Encoding): number {
  return divergence(histogram.sorted(), encoding);
}

function divergence({ lower, upper, count }: SortedBins, encoding: Encoding): number {
  const scale = encoding.scale[0]!;
  const lo = encoding.qmin - encoding.zeroPoint[0]!;
  const hi = encoding.qmax - encoding.zeroPoint[0]!;
  let total = 0;
  let clippedLow = 0;
  let clippedHigh = 0;
  // The step being summed: Σ m·log(m/w), mass and width of its pieces; `piece*` gathers bins until they are wide enough.
  let step = Number.NaN;
  let logs = 0;
  let mass = 0;
  let width = 0;
  let pieceMass = 0;
  let pieceWidth = 0;
  let inner = 0;
  let lowest = { mass: 0, divergence: 0 };
  let highest = { mass: 0, divergence: 0 };

  const closePiece = () => {
    if (pieceMass === 0) return;
    const w = Math.max(pieceWidth, DETAIL);
    logs += pieceMass * Math.log(pieceMass / w);
    mass += pieceMass;
    width += w;
    pieceMass = 0;
    pieceWidth = 0;
  };
  const closeStep = () => {
    closePiece();
    const result = { mass, divergence: mass > 0 ? logs - mass * Math.log(mass / width) : 0 };
    if (step === lo) lowest = result;
    else if (step === hi) highest = result;
    else inner += result.divergence;
    logs = 0;
    mass = 0;
    width = 0;
  };
  const put = (at: number, n: number, w: number) => {
    if (at !== step) {
      closeStep();
      step = at;
    }
    pieceMass += n;
    pieceWidth += w;
    if (pieceWidth >= DETAIL) closePiece();
  };

  for (let i = 0; i < count.length; i++) {
    const n = count[i]!;
    total += n;
    let from = lower[i]! / scale;
    let to = upper[i]! / scale;
    const density = to > from ? n / (to - from) : 0;
    if (density === 0) {
      const at = Math.floor(from + 0.5);
      if (at > hi) clippedHigh += n;
      else if (at < lo) clippedLow += n;
      else put(at, n, 0);
      continue;
    }
    if (to > hi + 0.5) {
      clippedHigh += density * (to - Math.max(from, hi + 0.5));
      to = hi + 0.5;
    }
    if (from < lo - 0.5) {
      clippedLow += density * (Math.min(to, lo - 0.5) - from);
      from = lo - 0.5;
    }
    if (!(to > from)) continue;
    const first = Math.min(Math.floor(from + 0.5), hi);
    const last = Math.min(Math.ceil(to - 0.5), hi);
    if (first >= last) {
      put(first, density * (to - from), to - from);
      continue;
    }
    put(first, density * (first + 0.5 - from), first + 0.5 - from);
    // The steps between are filled by this bin alone, so p and q agree there.
    put(last, density * (to - last + 0.5), to - last + 0.5);
  }
  closeStep();

  const kept = total - clippedLow - clippedHigh;
  if (!(kept > 0)) return total > 0 ? Infinity : 0;
  let sum = inner;
  for (const [end, added] of [
    [lowest, clippedLow],
    [highest, clippedHigh],
  ] as const) {
    if (added > 0 && end.mass === 0) return Infinity;
    // p there is (1 + added/mass) times what it was, in every piece.
    const factor = end.mass > 0 ? 1 + added / end.mass : 1;
    sum += factor * (end.divergence + end.mass * Math.log(factor));
  }
  // q is normalised by `kept`, p by `total`: the same ratio everywhere, and all of p's mass is summed over.
  return sum / total + Math.log(kept / total);
}
