import type { QuantizedPair } from "../correct/targets.js";
import type { Dataset } from "../data/index.js";
import { OptionsError, rejectUnknownOptions, requireOneOf } from "../errors.js";

/** What {@link tuneBiases} works on, and how. */
export interface TuneBiasesOptions extends QuantizedPair {
  /** Calibration samples; no labels are read. 100 do, more than 1000 gain nothing (Meller et al. 2019). */
  dataset: Dataset;
  /** Samples to learn from and to check on, spread over the dataset. Default: 1000. */
  samples?: number;
  /** Passes over the samples, ≥ 1. Default: 4. */
  epochs?: number;
  /** Samples a step. Default: 8. */
  batchSize?: number;
  /** Learning rate of Adam in units of each layer's output, root mean square; half a cosine down to 0. Default: 0.0005. */
  rate?: number;
  /** What is compared with the float network at the output: `mse`, or `kl` of the softmax. Default: `'mse'`. */
  loss?: "mse" | "kl";
  /** Weight of the channel means of every layer beside the output, ≥ 0. Default: 1. */
  features?: number;
  /** Order of the samples. Default: 0. */
  seed?: number;
  /** `better`: undone where the output did not come closer to the float model's. `always`: kept anyway. Default: `'better'`. */
  keep?: "better" | "always";
}

export const TUNE_BIASES_DEFAULTS = {
  samples: 1000,
  epochs: 4,
  batchSize: 8,
  rate: 0.0005,
  loss: "mse",
  features: 1,
  seed: 0,
  keep: "better",
} as const satisfies Partial<TuneBiasesOptions>;

export type ResolvedTuneBiases = Required<TuneBiasesOptions>;

/** Fills in defaults. @throws {OptionsError} E2001 unknown key, E2002 a number out of range, E2004 a value outside its set. */
export function resolveTuneBiases(options: TuneBiasesOptions): ResolvedTuneBiases {
  const keys = ["floatModel", "model", "plan", "dataset", ...Object.keys(TUNE_BIASES_DEFAULTS)];
  rejectUnknownOptions("tuneBiases", options, keys);
  const merged = { ...TUNE_BIASES_DEFAULTS, ...options };
  requireOneOf("tuneBiases", "loss", merged.loss, ["mse", "kl"]);
  requireOneOf("tuneBiases", "keep", merged.keep, ["better", "always"]);
  requireNumbers("tuneBiases", merged, { samples: 2, epochs: 1, batchSize: 1, seed: 0 }, true);
  requireNumbers("tuneBiases", merged, { features: 0, rate: Number.MIN_VALUE }, false);
  return merged;
}

/** @throws {OptionsError} E2002 where one is below its least value, or no whole number and must be. */
export function requireNumbers<T extends string>(
  caller: string,
  options: Readonly<Record<NoInfer<T>, number>>,
  least: Readonly<Record<T, number>>,
  whole: boolean,
): void {
  for (const [name, bound] of Object.entries(least) as [T, number][]) {
    const value = options[name];
    if (Number.isFinite(value) && value >= bound && (!whole || Number.isInteger(value))) continue;
    const expected = bound === Number.MIN_VALUE ? "more than 0" : `${bound} or more`;
    throw new OptionsError(
      "E2002",
      `${caller}: invalid ${name} ${value}, expected a ${whole ? "whole " : ""}number, ${expected}`,
      { expected, actual: value },
    );
  }
}
