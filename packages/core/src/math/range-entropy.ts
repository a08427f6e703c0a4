import { type Encoding, type EncodingOptions, encodingFromRange, type Range } from "./encoding.js";
import type { SortedBins } from "./histogram-bins.js";
import type { ValueHistogram } from "./value-histogram.js";

/** Candidates clip no more than this share of the nonzero values. */
const MOST_CLIPPED = 0.5;
/** Finest detail of the reference distribution, in steps: 2048 bins for 128 levels, as TensorRT's calibrator has. */
const DETAIL = 1 / 16;
/**
 * A narrower piece counts as detail when it holds this share of the values, and this many. Else a far outlier would make
 * the step so wide that all other values look like one piece of it, and nothing would ever be clipped.
 */
const DETAIL_SHARE = 1 / 100;
const DETAIL_COUNT = 32;

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
 * p is the distribution of the nonzero values, evenly spread within each bin; bins are gathered into pieces that are at
 * least 1/16 step wide or hold at least 1 % of the values and 32 of them (less, at the end of a step, counts as 1/16 wide).
 * Values that saturate are added to the outermost sixteenth of the outermost step (its outermost piece, if narrower).
 * q is what quantization leaves of p *without* the saturated values: the mass of every step (the values that round to one
 * integer) spread evenly over that part of the step where p has any. So q is flat where p has detail inside a step (step
 * too coarse), and too low at the ends by what was clipped (range too narrow).
 */
export function klDivergence(histogram: ValueHistogram, encoding: Encoding): number {
  return divergence(histogram.sorted(), encoding);
}

/** An outermost step: its mass and width, and those of its outermost piece. */
interface EndStep {
  mass: number;
  width: number;
  pieceMass: number;
  pieceWidth: number;
}

/** Sums Σ m·log(m/w) − M·log(M/W) over the pieces (mass m, width w) of one step of the quantizer after another. */
class StepSums {
  /** Divergence of all steps, in nats times values. */
  total = 0;
  lowest: EndStep = { mass: 0, width: 0, pieceMass: 0, pieceWidth: 0 };
  highest: EndStep = { mass: 0, width: 0, pieceMass: 0, pieceWidth: 0 };
  #step = Number.NaN;
  #logs = 0;
  #mass = 0;
  #width = 0;
  #firstMass = 0;
  #firstWidth = 0;
  #lastMass = 0;
  #lastWidth = 0;
  #pieceMass = 0;
  #pieceWidth = 0;
  readonly #lo: number;
  readonly #hi: number;
  readonly #enough: number;

  constructor(lo: number, hi: number, total: number) {
    this.#lo = lo;
    this.#hi = hi;
    this.#enough = Math.max(total * DETAIL_SHARE, DETAIL_COUNT);
  }

  /** Adds part of a bin to the open piece, and closes that when it is wide or heavy enough. Steps must ascend. */
  put(step: number, mass: number, width: number): void {
    if (step !== this.#step) {
      this.close();
      this.#step = step;
    }
    this.#pieceMass += mass;
    this.#pieceWidth += width;
    const heavy = this.#pieceMass >= this.#enough && this.#pieceWidth > 0;
    if (heavy || this.#pieceWidth >= DETAIL) this.#closePiece(this.#pieceWidth);
  }

  #closePiece(width: number): void {
    const mass = this.#pieceMass;
    if (mass === 0) return;
    this.#lastMass = mass;
    this.#lastWidth = width;
    if (this.#mass === 0) {
      this.#firstMass = mass;
      this.#firstWidth = width;
    }
    this.#logs += mass * Math.log(mass / width);
    this.#mass += mass;
    this.#width += width;
    this.#pieceMass = 0;
    this.#pieceWidth = 0;
  }

  close(): void {
    this.#closePiece(Math.max(this.#pieceWidth, DETAIL));
    const mass = this.#mass;
    const width = this.#width;
    if (mass > 0) {
      this.total += this.#logs - mass * Math.log(mass / width);
      if (this.#step === this.#lo) {
        this.lowest = { mass, width, pieceMass: this.#firstMass, pieceWidth: this.#firstWidth };
      } else if (this.#step === this.#hi) {
        this.highest = { mass, width, pieceMass: this.#lastMass, pieceWidth: this.#lastWidth };
      }
    }
    this.#logs = 0;
    this.#mass = 0;
    this.#width = 0;
  }
}

function divergence({ lower, upper, count }: SortedBins, encoding: Encoding): number {
  const scale = encoding.scale[0]!;
  const lo = encoding.qmin - encoding.zeroPoint[0]!;
  const hi = encoding.qmax - encoding.zeroPoint[0]!;
  let total = 0;
  for (const n of count) total += n;
  const sums = new StepSums(lo, hi, total);
  let clippedLow = 0;
  let clippedHigh = 0;
  for (let i = 0; i < count.length; i++) {
    const n = count[i]!;
    let from = lower[i]! / scale;
    let to = upper[i]! / scale;
    if (from === to) {
      const at = Math.floor(from + 0.5);
      if (at > hi) clippedHigh += n;
      else if (at < lo) clippedLow += n;
      else sums.put(at, n, 0);
      continue;
    }
    // n·(part/width), so that a whole bin has exactly n values.
    const width = to - from;
    if (to > hi + 0.5) {
      clippedHigh += n * ((to - Math.max(from, hi + 0.5)) / width);
      to = hi + 0.5;
    }
    if (from < lo - 0.5) {
      clippedLow += n * ((Math.min(to, lo - 0.5) - from) / width);
      from = lo - 0.5;
    }
    if (!(to > from)) continue;
    const first = Math.min(Math.floor(from + 0.5), hi);
    const last = Math.min(Math.ceil(to - 0.5), hi);
    if (first >= last) {
      sums.put(first, n * ((to - from) / width), to - from);
      continue;
    }
    // The steps between are filled by this bin alone, so p and q agree there.
    sums.put(first, n * ((first + 0.5 - from) / width), first + 0.5 - from);
    sums.put(last, n * ((to - last + 0.5) / width), to - last + 0.5);
  }
  sums.close();

  const kept = total - clippedLow - clippedHigh;
  if (total === 0) return 0;
  let sum = sums.total;
  for (const [end, added] of [[sums.lowest, clippedLow] as const, [sums.highest, clippedHigh] as const]) {
    if (added === 0) continue;
    if (end.mass === 0) return Infinity;
    // The outermost slice held s, at the density of its piece, and now holds s + added: its term s·log(s/w) changes, and
    // q stays.
    const width = Math.min(DETAIL, end.pieceWidth);
    const slice = (end.pieceMass * width) / end.pieceWidth;
    sum += (slice + added) * Math.log((slice + added) / width) - slice * Math.log(slice / width);
    sum -= added * Math.log(end.mass / end.width);
  }
  // q is normalised by `kept`, p by `total`: the same ratio everywhere, and all of p's mass is summed over.
  return sum / total + Math.log(kept / total);
}
