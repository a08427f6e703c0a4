import { OptionsError } from "../errors.js";
import { roundHalfEven } from "./rounding.js";

/** Lowest and highest value, in real units. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Ranges of all channels; `ChannelStats` is such an object. */
export interface ChannelRanges {
  readonly min: ArrayLike<number>;
  readonly max: ArrayLike<number>;
}

/** Integer types in which quantized values are stored. */
export type IntegerDType = "int4" | "uint4" | "int8" | "uint8" | "int16" | "uint16" | "int32";

/** Bits of the stored type; 4-bit values are packed two to a byte in files (see `packing.ts`). */
export const STORAGE_BITS = {
  int4: 4,
  uint4: 4,
  int8: 8,
  uint8: 8,
  int16: 16,
  uint16: 16,
  int32: 32,
} as const satisfies Record<IntegerDType, number>;

/**
 * Affine code of real numbers: `q = clamp(round(x / scale) + zeroPoint, qmin, qmax)`, `x̂ = scale·(q − zeroPoint)`.
 * Frozen; per tensor the arrays have one element, per channel one for each channel of dimension `axis`.
 */
export interface Encoding {
  /** Real units per integer step, > 0, a normal float32. */
  readonly scale: Float32Array;
  /** The integer that stands for 0, within qmin … qmax. */
  readonly zeroPoint: Int32Array;
  /** Type of the stored integers; it may be wider than `bits`. */
  readonly dtype: IntegerDType;
  readonly bits: number;
  /** Dimension of the channels; `null` = one scale for the whole tensor. */
  readonly axis: number | null;
  readonly qmin: number;
  readonly qmax: number;
  /** The zero point is the middle of the type: 0 if signed, 2^(bits−1) if unsigned. */
  readonly symmetric: boolean;
}

/** Options of {@link encodingFromRange}. */
export interface EncodingOptions {
  /** 2–16. Default: 8. */
  bits?: number;
  /** Default: `true`. */
  signed?: boolean;
  /** Fixes the zero point to the middle of the type. Default: as `signed`. */
  symmetric?: boolean;
  /** Leaves the lowest integer out: −127…127 instead of −128…127. Default: `true` for signed symmetric types. */
  narrow?: boolean;
  /** Scale is 2^k, the smallest one with which the range is covered. Default: `false`. */
  powerOfTwo?: boolean;
  /** Stored type, at least as wide as `bits`. Default: the narrowest of 4, 8 and 16 bits. */
  dtype?: IntegerDType;
}

/** Design of weights: int8, −127…127. */
export const WEIGHT_ENCODING = { bits: 8, signed: true, symmetric: true, narrow: true } as const;
/** Design of activations: uint8 with a zero point. */
export const ACTIVATION_ENCODING = { bits: 8, signed: false, symmetric: false, narrow: false } as const;

/**
 * Smallest scale: 2⁻¹²⁶, the smallest normal float32. Smaller ones are denormal, which runtimes may flush to 0, and
 * x / 0 is NaN or ∞.
 */
export const MIN_SCALE = 2 ** -126;
/** Scale of a tensor that is zero everywhere. */
const ZERO_RANGE_SCALE = 1;

/** Integer limits and steps of a type: what {@link EncodingOptions} mean before any range is known. */
export interface IntegerGrid {
  readonly bits: number;
  readonly qmin: number;
  readonly qmax: number;
  readonly symmetric: boolean;
  readonly powerOfTwo: boolean;
  readonly dtype: IntegerDType;
  /** Zero point of a symmetric encoding. */
  readonly middle: number;
}

/** Resolves and checks encoding options. @throws {OptionsError} E2002 for bits or a stored type that do not fit. */
export function integerGrid(options: EncodingOptions = {}, caller = "encoding"): IntegerGrid {
  const { bits = 8, signed = true, powerOfTwo = false } = options;
  const { symmetric = signed } = options;
  const { narrow = signed && symmetric } = options;
  if (!Number.isInteger(bits) || bits < 2 || bits > 16) {
    throw new OptionsError("E2002", `${caller}: invalid bits ${bits}, expected 2-16`, {
      expected: "2-16",
      actual: bits,
    });
  }
  const dtype = options.dtype ?? (`${signed ? "" : "u"}int${bits <= 4 ? 4 : bits <= 8 ? 8 : 16}` as IntegerDType);
  if (!(STORAGE_BITS[dtype] >= bits) || dtype.startsWith("u") === signed) {
    const expected = `a ${signed ? "signed" : "unsigned"} integer of at least ${bits} bits`;
    throw new OptionsError("E2002", `${caller}: invalid dtype ${dtype}, expected ${expected}`, {
      expected,
      actual: dtype,
    });
  }
  const low = signed ? -(2 ** (bits - 1)) : 0;
  return {
    bits,
    qmin: narrow ? low + 1 : low,
    qmax: low + 2 ** bits - 1,
    symmetric,
    powerOfTwo,
    dtype,
    middle: low + 2 ** (bits - 1),
  };
}

/** Widens a range to contain 0, so that 0 has an exact code. @throws {OptionsError} E2002 if not finite or min > max. */
export function rangeWithZero(range: Range, caller = "encoding"): Range {
  const { min, max } = range;
  if (!(Number.isFinite(min) && Number.isFinite(max) && min <= max)) {
    throw new OptionsError("E2002", `${caller}: invalid range ${min} … ${max}, expected finite min ≤ max`, {
      expected: "finite min ≤ max",
      actual: [String(min), String(max)],
      hint: "The values hold NaN or Inf, or no value was seen: check the data this range was measured on.",
    });
  }
  return { min: Math.min(min, 0), max: Math.max(max, 0) };
}

/** Smallest 2^k, −126 ≤ k ≤ 127, with which `covers` holds; `start` is a guess of any quality. */
function smallestPowerOfTwo(start: number, covers: (scale: number) => boolean): number {
  let k = Math.min(Math.max(Math.ceil(Math.log2(start)), -126), 127);
  while (k < 127 && !covers(2 ** k)) k++;
  while (k > -126 && covers(2 ** (k - 1))) k--;
  return 2 ** k;
}

/** Scale for a range that contains 0 and is not empty. */
function scaleFor(min: number, max: number, grid: IntegerGrid): number {
  const { qmin, qmax, middle } = grid;
  if (grid.symmetric) {
    const needed = Math.max(max / (qmax - middle), -min / (middle - qmin));
    if (!grid.powerOfTwo) return Math.max(Math.fround(needed), MIN_SCALE);
    return smallestPowerOfTwo(needed, (s) => max <= s * (qmax - middle) && -min <= s * (middle - qmin));
  }
  const needed = (max - min) / (qmax - qmin);
  if (!grid.powerOfTwo) return Math.max(Math.fround(needed), MIN_SCALE);
  // With both ends on the grid: the zero point below is then qmin − ⌊min/s⌋, and nothing in the range saturates.
  return smallestPowerOfTwo(needed, (s) => Math.ceil(max / s) - Math.floor(min / s) <= qmax - qmin);
}

function zeroPointFor(min: number, scale: number, grid: IntegerGrid): number {
  if (grid.symmetric) return grid.middle;
  const steps = grid.powerOfTwo ? Math.floor(min / scale) : min / scale;
  return Math.min(Math.max(roundHalfEven(grid.qmin - steps), grid.qmin), grid.qmax);
}

function freeze(grid: IntegerGrid, scale: Float32Array, zeroPoint: Int32Array, axis: number | null): Encoding {
  const { dtype, bits, qmin, qmax, symmetric } = grid;
  return Object.freeze({ scale, zeroPoint, dtype, bits, axis, qmin, qmax, symmetric });
}

/**
 * Encoding of a whole tensor whose values lie in `range`.
 *
 * The range is widened to contain 0, so x = 0 always dequantizes to exactly 0. Symmetric: the smallest scale with which
 * scale·(qmin − zeroPoint) ≤ min and max ≤ scale·(qmax − zeroPoint). Asymmetric: scale = (max − min)/(qmax − qmin),
 * zeroPoint = round(qmin − min/scale); rounding the zero point may move the ends by up to half a step.
 * With `powerOfTwo` both ends are covered without saturation. An empty range (all values 0) gets scale 1: any scale is
 * exact for it, 0 is not allowed (x/0), and 1 keeps every product of scales finite and normal.
 *
 * @throws {OptionsError} E2002: bits outside 2–16, unfit dtype, range not finite.
 */
export function encodingFromRange(range: Range, options: EncodingOptions = {}): Encoding {
  const grid = integerGrid(options, "encodingFromRange");
  const { min, max } = rangeWithZero(range, "encodingFromRange");
  const scale = min === max ? ZERO_RANGE_SCALE : scaleFor(min, max, grid);
  return freeze(grid, Float32Array.of(scale), Int32Array.of(zeroPointFor(min, scale, grid)), null);
}

/**
 * Encoding with one scale and zero point for each channel of dimension `axis`, each as {@link encodingFromRange} makes it.
 *
 * A channel that is zero everywhere gets the largest scale of the other channels (1 if there is none). Its own values
 * are exact with any scale, but a bias shares the grid scale_x·scale_w of its channel: scale 1 would round that bias to
 * whole steps of the input, and a tiny scale would overflow int32.
 *
 * @throws {OptionsError} E2002 as above, naming the channel.
 */
export function encodingFromRanges(ranges: ChannelRanges, axis: number, options: EncodingOptions = {}): Encoding {
  const grid = integerGrid(options, "encodingFromRanges");
  const channels = ranges.min.length;
  if (ranges.max.length !== channels) {
    throw new OptionsError("E2002", `encodingFromRanges: ${channels} minima but ${ranges.max.length} maxima`, {
      expected: channels,
      actual: ranges.max.length,
    });
  }
  const scale = new Float32Array(channels);
  const zeroPoint = new Int32Array(channels);
  let largest = 0;
  for (let c = 0; c < channels; c++) {
    const caller = `encodingFromRanges (channel ${c})`;
    const { min, max } = rangeWithZero({ min: ranges.min[c]!, max: ranges.max[c]! }, caller);
    if (min === max) continue;
    scale[c] = scaleFor(min, max, grid);
    zeroPoint[c] = zeroPointFor(min, scale[c]!, grid);
    largest = Math.max(largest, scale[c]!);
  }
  for (let c = 0; c < channels; c++) {
    if (scale[c] !== 0) continue;
    scale[c] = largest || ZERO_RANGE_SCALE;
    zeroPoint[c] = zeroPointFor(0, scale[c]!, grid);
  }
  return freeze(grid, scale, zeroPoint, axis);
}

/** Parameters that are already known, as a QuantizeLinear node or a bias (scale_x·scale_w) gives them. */
export interface KnownEncoding {
  scale: ArrayLike<number>;
  /** Default: all 0. */
  zeroPoint?: ArrayLike<number>;
  dtype: IntegerDType;
  /** Default: all bits of `dtype`; 32 is allowed here. */
  bits?: number;
  /** Default: `null`. */
  axis?: number | null;
  /** Leaves the lowest integer out. Default: `false`. */
  narrow?: boolean;
}

/** Encoding from known scales and zero points. @throws {OptionsError} E2002: scale not a positive normal float32, zero point outside the type. */
export function encodingFromScale(known: KnownEncoding): Encoding {
  const { dtype, axis = null, narrow = false } = known;
  const { bits = STORAGE_BITS[dtype] } = known;
  const signed = !dtype.startsWith("u");
  if (!Number.isInteger(bits) || bits < 2 || !(bits <= STORAGE_BITS[dtype])) {
    throw new OptionsError("E2002", `encodingFromScale: invalid bits ${bits}, expected 2-${STORAGE_BITS[dtype]}`, {
      expected: `2-${STORAGE_BITS[dtype]}`,
      actual: bits,
    });
  }
  const low = signed ? -(2 ** (bits - 1)) : 0;
  const qmin = narrow ? low + 1 : low;
  const qmax = low + 2 ** bits - 1;
  const middle = low + 2 ** (bits - 1);
  const scale = Float32Array.from(known.scale);
  const zeroPoint = known.zeroPoint ? Int32Array.from(known.zeroPoint) : new Int32Array(scale.length);
  if (zeroPoint.length !== scale.length || (axis === null && scale.length !== 1)) {
    throw new OptionsError(
      "E2002",
      `encodingFromScale: ${scale.length} scales, ${zeroPoint.length} zero points, axis ${axis}; expected as many of each, and one without axis`,
      { expected: scale.length, actual: zeroPoint.length },
    );
  }
  for (let c = 0; c < scale.length; c++) {
    if (!(scale[c]! >= MIN_SCALE && scale[c]! < Infinity)) {
      throw new OptionsError("E2002", `encodingFromScale: invalid scale ${known.scale[c]}, expected 2^-126 or more`, {
        expected: "positive normal float32",
        actual: String(known.scale[c]),
      });
    }
    if (zeroPoint[c]! < qmin || zeroPoint[c]! > qmax) {
      throw new OptionsError(
        "E2002",
        `encodingFromScale: invalid zero point ${zeroPoint[c]}, expected ${qmin}-${qmax}`,
        {
          expected: [qmin, qmax],
          actual: zeroPoint[c],
        },
      );
    }
  }
  const symmetric = zeroPoint.every((z) => z === middle);
  return freeze({ dtype, bits, qmin, qmax, symmetric, powerOfTwo: false, middle }, scale, zeroPoint, axis);
}

/** Real values of the lowest and highest integer of channel `channel`. */
export function representableRange(encoding: Encoding, channel = 0): Range {
  const scale = encoding.scale[channel]!;
  const zeroPoint = encoding.zeroPoint[channel]!;
  return { min: scale * (encoding.qmin - zeroPoint), max: scale * (encoding.qmax - zeroPoint) };
}
