import type { Calibration } from "../calibrate/index.js";
import type { QuantizedPair } from "../correct/targets.js";
import type { Dataset } from "../data/index.js";
import { rejectUnknownOptions, requireOneOf } from "../errors.js";
import { requireNumbers } from "./bias-options.js";

/** What {@link adaRound} works on, and how. */
export interface AdaRoundOptions extends QuantizedPair {
  /** Calibration samples; no labels are read. */
  dataset: Dataset;
  /** What the plan was made from: tells how large inputs get, so that rounding up never makes a kernel saturate. */
  calibration?: Calibration;
  /** Samples to learn from and to check on, spread over the dataset. Default: 128. */
  samples?: number;
  /** Rows (output positions) a layer learns from, spread over the samples. Default: 4096. */
  rows?: number;
  /** Gradient steps a layer. 0: only the descent over single weights. Default: 300. */
  iterations?: number;
  /** Learning rate of Adam. Default: 0.02. */
  rate?: number;
  /** Weight of the regulariser that drives every weight to one side, against the noise of a weight. Default: 0.05. */
  regularization?: number;
  /** Choice of the rows. Default: 0. */
  seed?: number;
  /** `better`: undone where the output did not come closer to the float model's. `always`: kept anyway. Default: `'better'`. */
  keep?: "better" | "always";
}

export const ADA_ROUND_DEFAULTS = {
  samples: 128,
  rows: 4096,
  iterations: 300,
  rate: 0.02,
  regularization: 0.05,
  seed: 0,
  keep: "better",
} as const satisfies Partial<AdaRoundOptions>;

export type ResolvedAdaRound = AdaRoundOptions & Required<Omit<AdaRoundOptions, "calibration">>;

/** Fills in defaults. @throws {OptionsError} E2001 unknown key, E2002 a number out of range, E2004 a value outside its set. */
export function resolveAdaRound(options: AdaRoundOptions): ResolvedAdaRound {
  const keys = ["floatModel", "model", "plan", "dataset", "calibration", ...Object.keys(ADA_ROUND_DEFAULTS)];
  rejectUnknownOptions("adaRound", options, keys);
  const merged = { ...ADA_ROUND_DEFAULTS, ...options };
  requireOneOf("adaRound", "keep", merged.keep, ["better", "always"]);
  requireNumbers("adaRound", merged, { samples: 2, rows: 16, iterations: 0, seed: 0 }, true);
  requireNumbers("adaRound", merged, { regularization: 0, rate: Number.MIN_VALUE }, false);
  return merged;
}
