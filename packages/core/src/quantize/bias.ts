import { type DType, Tensor } from "../graph/index.js";
import {
  type Encoding,
  encodingFromRange,
  encodingFromScale,
  type IntegerDType,
  quantizeValues,
  roundHalfEven,
} from "../math/index.js";

/** Integers of a bias and what one of them is worth. */
export interface QuantizedBias {
  readonly encoding: Encoding;
  readonly data: Tensor;
}

/** A bias as int32 on the grid of the accumulator: `scale` is scale_x·scale_w, one or one an output channel. */
export function accumulatorBias(bias: ArrayLike<number>, scale: Float32Array): QuantizedBias {
  const encoding = encodingFromScale({ scale, dtype: "int32", axis: scale.length > 1 ? 0 : null });
  const integers = Int32Array.from(bias, (value, channel) => {
    const steps = value / scale[scale.length === 1 ? 0 : channel]!;
    return roundHalfEven(Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, steps)));
  });
  return { encoding, data: Tensor.of("int32", [bias.length], integers) };
}

/**
 * A bias as one tensor of 16 or 8 bits on one symmetric grid of its own, scale = max |b| / (2^(bits−1) − 1): 16 bits are those of
 * Meller et al. 2019, §5, 8 bits those of MathWorks' pages («weights, biases and activations»).
 */
export function narrowBias(
  bias: ArrayLike<number>,
  dtype: Extract<IntegerDType, "int16" | "int8">,
  powerOfTwo: boolean,
): QuantizedBias {
  const values = Float32Array.from(bias);
  const top = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const encoding = encodingFromRange(
    { min: -top, max: top },
    { bits: dtype === "int16" ? 16 : 8, dtype, signed: true, symmetric: true, narrow: true, powerOfTwo },
  );
  const dims = [values.length];
  return { encoding, data: Tensor.of(dtype as DType, dims, quantizeValues(values, encoding, { dims })) };
}
