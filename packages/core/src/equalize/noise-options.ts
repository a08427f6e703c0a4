import { OptionsError, requireOneOf } from "../errors.js";

/** For which quantization noise is predicted and minimised. */
export interface NoiseOptions {
  /** One step a weight tensor, or one an output channel. Default: `'per-tensor'`. */
  granularity?: "per-tensor" | "per-channel";
  /**
   * `static`: one range a value, from calibration. `dynamic`: a range a run, found in the run; only what layers read is rounded then, and
   * layers whose input is not are taken to stay in float. Default: `'static'`.
   */
  activations?: "static" | "dynamic";
  /** Bits of weights, 2–16. Default: 8. */
  weightBits?: number;
  /** Bits of activations, 2–16. Default: 8. */
  activationBits?: number;
  /** Weights on ±(2^(bits−1) − 1) steps, or on 2^bits − 1 steps between their minimum and maximum. Default: true. */
  weightSymmetric?: boolean;
  /** As `weightSymmetric`, for activations. Default: false. */
  activationSymmetric?: boolean;
  /**
   * Whether biases are corrected afterwards: what rounding weights does to the mean of an output is then taken away, and
   * only the variance of inputs counts. Default: false.
   */
  biasCorrected?: boolean;
  /**
   * Values that get an encoding. Default: the network's inputs, and the outputs of linear layers, Add and Concat
   * behind the activation that fuses with them; with dynamic activations what MatMul and Gemm read.
   */
  quantized?: readonly string[];
  /**
   * By value and channel, the noise-to-signal ratio of the network's outputs that noise of power 1 on every element becomes
   * (`channelSensitivity` measures it): predicted noise then is that of the outputs, and a value that is missing reaches none. Default:
   * nothing is known, and noise counts as share of the power of the value it disturbs.
   */
  sensitivity?: ReadonlyMap<string, ArrayLike<number>>;
  /**
   * The same of noise that all positions of a channel share. Rounded weights move the mean of an output as one, which averages out nowhere:
   * where biases are not corrected, that part counts by this. Default: as the rest.
   */
  sharedSensitivity?: ReadonlyMap<string, ArrayLike<number>>;
}

export type ResolvedNoiseOptions = Required<Omit<NoiseOptions, OpenKey>> & Pick<NoiseOptions, OpenKey>;

type OpenKey = "quantized" | "sensitivity" | "sharedSensitivity";

export const NOISE_DEFAULTS = {
  granularity: "per-tensor",
  activations: "static",
  weightBits: 8,
  activationBits: 8,
  weightSymmetric: true,
  activationSymmetric: false,
  biasCorrected: false,
} as const;

/** @throws {OptionsError} E2002 bits out of range, E2004 unknown granularity. */
export function resolveNoiseOptions(options: NoiseOptions): ResolvedNoiseOptions {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const resolved = { ...NOISE_DEFAULTS, ...given };
  requireOneOf("equalize", "granularity", resolved.granularity, ["per-tensor", "per-channel"]);
  requireOneOf("equalize", "activations", resolved.activations, ["static", "dynamic"]);
  for (const key of ["weightBits", "activationBits"] as const) {
    const bits = resolved[key];
    if (!(Number.isInteger(bits) && bits >= 2 && bits <= 16)) {
      throw new OptionsError("E2002", `equalize: invalid ${key} ${bits}, expected 2-16`, {
        actual: bits,
        expected: "2-16",
      });
    }
  }
  return resolved;
}
