import { OptionsError } from "../errors.js";
import { forEachRun, layoutOf } from "./affine.js";
import type { Encoding } from "./encoding.js";
import { type Rounding, roundHalfAwayFromZero, roundHalfEven } from "./rounding.js";
import { ValueHistogram } from "./value-histogram.js";

/** What becomes of values in an integer type; the three kinds exclude each other. */
export interface Representability {
  /** All values, NaN and ±∞ included. */
  readonly total: number;
  /** Exact zeros, which every encoding keeps. */
  readonly zeros: number;
  /** Nonzero values that become 0 by rounding. */
  readonly underflow: number;
  /** Values whose rounded integer lies outside qmin … qmax, so that they saturate; ±∞ among them. */
  readonly overflow: number;
  readonly nan: number;
  /** Counted value by value; `false`: interpolated in a histogram (zeros and NaN are exact even so). */
  readonly exact: boolean;
}

export interface RepresentabilityOptions {
  /** Shape of the values; needed when the encoding has an axis. */
  dims?: readonly number[];
  /** Default: `'half-even'`. */
  rounding?: Rounding;
}

/**
 * Counts underflow and overflow of values in a type (MathWorks' quantization page, steps 6–7). With ties to even, a value of exactly ±scale/2
 * underflows too; with ties away from zero it does not. A value past the largest one that still rounds to it is no
 * overflow: saturating costs it nothing, and a range measured on the data itself then never reports its own ends.
 *
 * A histogram is interpolated, as if values were spread evenly within a bin (at most 6.25 % of the value wide).
 *
 * @throws {OptionsError} E2002: shape does not fit, or a per-channel encoding for a histogram.
 */
export function representability(
  source: Float32Array | ValueHistogram,
  encoding: Encoding,
  options: RepresentabilityOptions = {},
): Representability {
  return source instanceof ValueHistogram ? ofHistogram(source, encoding) : ofValues(source, encoding, options);
}

function ofValues(values: Float32Array, encoding: Encoding, options: RepresentabilityOptions): Representability {
  const layout = layoutOf(values.length, encoding, options.dims, "representability");
  const away = options.rounding === "half-away";
  const counts = { zeros: 0, underflow: 0, overflow: 0, nan: 0 };
  forEachRun(layout, (from, to, c) => countRun(values, from, to, encoding, c, away, counts));
  return { total: values.length, ...counts, exact: true };
}

type Counts = Pick<Representability, "zeros" | "underflow" | "overflow" | "nan">;

function countRun(
  values: Float32Array,
  from: number,
  to: number,
  encoding: Encoding,
  channel: number,
  away: boolean,
  counts: { -readonly [K in keyof Counts]: number },
): void {
  const scale = encoding.scale[channel]!;
  const lo = encoding.qmin - encoding.zeroPoint[channel]!;
  const hi = encoding.qmax - encoding.zeroPoint[channel]!;
  const integerOf = (x: number) => {
    const quotient = Math.fround(x / scale);
    return away ? roundHalfAwayFromZero(quotient) : roundHalfEven(quotient);
  };
  let [zeros, underflow, overflow, nan] = [0, 0, 0, 0];
  if (to - from < WORTH_EDGES) {
    for (let i = from; i < to; i++) {
      const x = values[i]!;
      const q = integerOf(x);
      if (x === 0) zeros++;
      else if (q > hi || q < lo) overflow++;
      else if (q === 0) underflow++;
      else if (Number.isNaN(x)) nan++;
    }
  } else {
    // Division and rounding never fall as x grows: four floats tell all others apart.
    const least = firstFloat((x) => integerOf(x) >= lo);
    const beyond = firstFloat((x) => integerOf(x) > hi);
    const zeroFrom = firstFloat((x) => integerOf(x) >= 0);
    const zeroTo = firstFloat((x) => integerOf(x) > 0);
    for (let i = from; i < to; i++) {
      const x = values[i]!;
      if (x === 0) zeros++;
      else if (x < least || x >= beyond) overflow++;
      else if (x >= zeroFrom && x < zeroTo) underflow++;
      else if (Number.isNaN(x)) nan++;
    }
  }
  counts.zeros += zeros;
  counts.underflow += underflow;
  counts.overflow += overflow;
  counts.nan += nan;
}

/** From this many values on, looking for the edges is worth it: 132 divisions. */
const WORTH_EDGES = 512;

const word = new Int32Array(1);
const float = new Float32Array(word.buffer);

/** The first float32, from −∞ to ∞, for which `holds`; it must hold for ∞, and for every one behind the first. */
function firstFloat(holds: (x: number) => boolean): number {
  // The bits of a float without its sign are in its order.
  const at = (order: number) => {
    word[0] = order < 0 ? -order | 0x80000000 : order;
    return float[0]!;
  };
  let [low, high] = [-0x7f800000, 0x7f800000];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (holds(at(middle))) high = middle;
    else low = middle + 1;
  }
  return at(low);
}

function ofHistogram(histogram: ValueHistogram, encoding: Encoding): Representability {
  if (encoding.scale.length !== 1) {
    throw new OptionsError("E2002", `representability: ${encoding.scale.length} scales for one histogram, expected 1`, {
      expected: 1,
      actual: encoding.scale.length,
    });
  }
  const scale = encoding.scale[0]!;
  const lowest = (encoding.qmin - encoding.zeroPoint[0]! - 0.5) * scale;
  const highest = (encoding.qmax - encoding.zeroPoint[0]! + 0.5) * scale;
  const { lower, upper, count } = histogram.sorted();
  let underflow = 0;
  let overflow = histogram.positiveInfinity + histogram.negativeInfinity;
  for (let i = 0; i < count.length; i++) {
    const from = lower[i]!;
    const to = upper[i]!;
    const n = count[i]!;
    overflow += n * (1 - shareWithin(from, to, lowest, highest));
    underflow += n * shareWithin(from, to, Math.max(-scale / 2, lowest), Math.min(scale / 2, highest));
  }
  const { total, nonFinite, zeros, nan } = histogram;
  return { total: total + nonFinite, zeros, underflow, overflow, nan, exact: false };
}

/** Share of an evenly filled bin that lies in [low, high]. */
function shareWithin(from: number, to: number, low: number, high: number): number {
  if (from >= low && to <= high) return 1;
  if (from === to) return 0;
  return Math.max(0, Math.min(to, high) - Math.max(from, low)) / (to - from);
}
