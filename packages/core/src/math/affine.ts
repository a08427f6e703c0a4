import { OptionsError } from "../errors.js";
import type { Encoding, IntegerDType } from "./encoding.js";
import { type Rounding, roundHalfAwayFromZero, roundHalfEven } from "./rounding.js";

/** Arrays of quantized values; 4-bit types are held unpacked in the 8-bit ones. */
export type IntegerArray = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array;

/** How {@link quantizeValues} and {@link fakeQuantizeValues} walk and round. */
export interface QuantizeValuesOptions {
  /** Shape of the values; needed when the encoding has an axis. */
  dims?: readonly number[];
  /** Default: `'half-even'`, as ONNX. */
  rounding?: Rounding;
}

const ARRAYS = {
  int4: Int8Array,
  uint4: Uint8Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
} as const satisfies Record<IntegerDType, unknown>;

/** An array for `length` quantized values of `dtype`. */
export function integerArray(dtype: IntegerDType, length: number): IntegerArray {
  return new ARRAYS[dtype](length);
}

/** How an axis cuts a row-major tensor: `outer` blocks of `channels` runs of `inner` neighbours. */
export interface ChannelLayout {
  readonly outer: number;
  readonly channels: number;
  readonly inner: number;
}

/** Layout of dimension `axis` (negative counts from the end). @throws {OptionsError} E2002: shape, length and axis disagree. */
function channelLayout(
  length: number,
  dims: readonly number[] | undefined,
  axis: number,
  caller: string,
): ChannelLayout {
  const shape = dims ?? [];
  const at = axis < 0 ? axis + shape.length : axis;
  let outer = 1;
  let inner = 1;
  shape.forEach((dim, d) => {
    if (d < at) outer *= dim;
    if (d > at) inner *= dim;
  });
  const channels = shape[at];
  if (channels === undefined || outer * channels * inner !== length) {
    throw new OptionsError(
      "E2002",
      `${caller}: ${length} values do not fit shape [${shape.join(", ")}], axis ${axis}`,
      {
        expected: shape,
        actual: length,
      },
    );
  }
  return { outer, channels, inner };
}

/** Layout of an encoding's axis over a tensor; one channel when it has none. @internal */
export function layoutOf(
  length: number,
  encoding: Encoding,
  dims: readonly number[] | undefined,
  caller: string,
): ChannelLayout {
  if (encoding.axis === null) return { outer: 1, channels: 1, inner: length };
  const layout = channelLayout(length, dims, encoding.axis, caller);
  if (layout.channels !== encoding.scale.length) {
    throw new OptionsError("E2002", `${caller}: ${encoding.scale.length} scales for ${layout.channels} channels`, {
      expected: layout.channels,
      actual: encoding.scale.length,
    });
  }
  return layout;
}

function checkOut(out: { length: number }, length: number, caller: string): void {
  if (out.length < length) {
    throw new OptionsError("E2002", `${caller}: output holds ${out.length} values, expected ${length}`, {
      expected: length,
      actual: out.length,
    });
  }
}

/** Values that one call of an inner loop takes: engines compile a short function well, a long nested loop badly. */
const RUN = 4096;

/** Calls `run(from, to, channel)` for all stretches of one channel, cut to at most {@link RUN} values. @internal */
export function forEachRun(layout: ChannelLayout, run: (from: number, to: number, channel: number) => void): void {
  const { outer, channels, inner } = layout;
  let at = 0;
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++) {
      const end = at + inner;
      for (; at + RUN < end; at += RUN) run(at, at + RUN, c);
      run(at, end, c);
      at = end;
    }
  }
}

// For |v| ≤ 2^31: adding and subtracting 1.5·2^52 rounds a double to an integer, ties to even, without a branch.
const MAGIC = 1.5 * 2 ** 52;

/**
 * Integer steps of x from zero, within lo … hi, for types up to 16 bits, less `lo`: at least 0. Clamping is free of
 * branches; it lets NaN through, which `| 0` then makes 0, the lowest integer.
 */
function stepsAboveLowest(x: number, scale: number, lo: number, hi: number, away: boolean): number {
  const v = Math.max(lo, Math.min(Math.fround(x / scale), hi));
  let rounded = v + MAGIC - MAGIC;
  if (away) {
    const rest = v - rounded;
    if (rest === 0.5 && v > 0) rounded++;
    else if (rest === -0.5 && v < 0) rounded--;
  }
  return (rounded - lo) | 0;
}

/** The same for wider types, in float64 and from zero, where `| 0` would overflow. */
function wideSteps(x: number, scale: number, lo: number, hi: number, away: boolean): number {
  const v = x / scale;
  const clamped = v > lo ? Math.min(v, hi) : lo;
  return (away ? roundHalfAwayFromZero(clamped) : roundHalfEven(clamped)) + 0;
}

/**
 * `q = clamp(round(x / scale) + zeroPoint, qmin, qmax)`, as ONNX QuantizeLinear: the division is done in float32 for
 * types up to 16 bits (verified bit for bit against ONNX Runtime), in float64 for int32, where float32 would lose bits
 * of a bias. Clamping comes before rounding, which is the same because the limits are integers.
 * ±∞ saturates; NaN becomes qmin, as ONNX Runtime gives it on x86: call `assertFinite` first where NaN must not pass.
 */
export function quantizeValues(
  values: Float32Array,
  encoding: Encoding,
  options: QuantizeValuesOptions = {},
  out: IntegerArray = integerArray(encoding.dtype, values.length),
): IntegerArray {
  const layout = layoutOf(values.length, encoding, options.dims, "quantizeValues");
  checkOut(out, values.length, "quantizeValues");
  const away = options.rounding === "half-away";
  forEachRun(layout, (from, to, c) => quantizeRun(values, from, to, encoding, c, away, out));
  return out;
}

function quantizeRun(
  values: Float32Array,
  from: number,
  to: number,
  encoding: Encoding,
  channel: number,
  away: boolean,
  out: IntegerArray,
): void {
  const scale = encoding.scale[channel]!;
  const zero = encoding.zeroPoint[channel]!;
  const { qmin, qmax } = encoding;
  const lo = qmin - zero;
  const hi = qmax - zero;
  if (encoding.bits > 16) {
    for (let i = from; i < to; i++) out[i] = wideSteps(values[i]!, scale, lo, hi, away) + zero;
  } else {
    for (let i = from; i < to; i++) out[i] = stepsAboveLowest(values[i]!, scale, lo, hi, away) + qmin;
  }
}

/** `x̂ = scale·(q − zeroPoint)` in float32, as ONNX DequantizeLinear. */
export function dequantizeValues(
  quantized: IntegerArray,
  encoding: Encoding,
  options: Pick<QuantizeValuesOptions, "dims"> = {},
  out: Float32Array = new Float32Array(quantized.length),
): Float32Array {
  const layout = layoutOf(quantized.length, encoding, options.dims, "dequantizeValues");
  checkOut(out, quantized.length, "dequantizeValues");
  forEachRun(layout, (from, to, c) => {
    const scale = encoding.scale[c]!;
    const zero = encoding.zeroPoint[c]!;
    // An int32 difference is rounded to float32 before the product, as the operator's kernel does.
    for (let i = from; i < to; i++) out[i] = Math.fround(quantized[i]! - zero) * scale;
  });
  return out;
}

/**
 * Quantizes and dequantizes in one pass: the same bits as {@link dequantizeValues} of {@link quantizeValues}.
 * `out` may be `values`.
 */
export function fakeQuantizeValues(
  values: Float32Array,
  encoding: Encoding,
  options: QuantizeValuesOptions = {},
  out: Float32Array = new Float32Array(values.length),
): Float32Array {
  const layout = layoutOf(values.length, encoding, options.dims, "fakeQuantizeValues");
  checkOut(out, values.length, "fakeQuantizeValues");
  const away = options.rounding === "half-away";
  forEachRun(layout, (from, to, c) => fakeQuantizeRun(values, from, to, encoding, c, away, out));
  return out;
}

function fakeQuantizeRun(
  values: Float32Array,
  from: number,
  to: number,
  encoding: Encoding,
  channel: number,
  away: boolean,
  out: Float32Array,
): void {
  const scale = encoding.scale[channel]!;
  const lo = encoding.qmin - encoding.zeroPoint[channel]!;
  const hi = encoding.qmax - encoding.zeroPoint[channel]!;
  if (encoding.bits > 16) {
    for (let i = from; i < to; i++) out[i] = Math.fround(wideSteps(values[i]!, scale, lo, hi, away)) * scale;
  } else {
    for (let i = from; i < to; i++) out[i] = (stepsAboveLowest(values[i]!, scale, lo, hi, away) + lo) * scale;
  }
}
