import type { Dataset } from "../data/index.js";
import { OptionsError, rejectUnknownOptions, requireOneOf } from "../errors.js";
import type { Model } from "../graph/index.js";
import type { QuantizationPlan } from "../quantize/index.js";
import type { SessionOptions } from "../runtime/index.js";

/** ONNX Runtime would quantize float biases between Q/DQ nodes by itself: what is measured is what the file says. */
export const LITERAL_WEIGHTS: SessionOptions = { disabledOptimizers: ["WeightBiasQuantization"] };

export type CorrectionMethod = "sequential" | "parallel";

/** What {@link correctBiases} works on, and how. */
export interface CorrectBiasesOptions {
  /** The float model the plan was made for: values are matched by name. Not changed. */
  floatModel: Model;
  /** The same model as `applyQdq` left it. Corrected in place. */
  model: Model;
  plan: QuantizationPlan;
  /** Calibration samples; no labels are read. */
  dataset: Dataset;
  /** `sequential`: layer by layer, each on its corrected predecessors. `parallel`: all at once. Default: `'sequential'`. */
  method?: CorrectionMethod;
  /** Samples for the means, spread over the dataset. Default: 64. */
  samples?: number;
  /** Samples a run. The result does not depend on it beyond float rounding. Default: 8 to 32, more for small samples. */
  batchSize?: number;
  /** `better`: undone where the output did not come closer to the float model's. `always`: kept anyway. Default: `'better'`. */
  keep?: "better" | "always";
  /** Bound on the cut values kept between layers; fewer samples are taken where they would not fit. Default: 268435456 (256 MiB). */
  cacheBytes?: number;
  /** Samples the float means are taken over instead. Other images than the quantized side's make a wrong correction. @internal */
  referenceDataset?: Dataset;
}

export const CORRECT_DEFAULTS = {
  method: "sequential",
  samples: 64,
  keep: "better",
  cacheBytes: 256 * 1024 * 1024,
} as const satisfies Partial<CorrectBiasesOptions>;

export type ResolvedCorrectOptions = CorrectBiasesOptions &
  Required<Omit<CorrectBiasesOptions, "batchSize" | "referenceDataset">>;

const KEYS: readonly (keyof CorrectBiasesOptions)[] = [
  "floatModel",
  "model",
  "plan",
  "dataset",
  "method",
  "samples",
  "batchSize",
  "keep",
  "cacheBytes",
  "referenceDataset",
];

/** Fills in defaults. @throws {OptionsError} E2001 unknown key, E2002 a number out of range, E2004 a value outside its set. */
export function resolveCorrectOptions(options: CorrectBiasesOptions): ResolvedCorrectOptions {
  rejectUnknownOptions("correctBiases", options, KEYS);
  const merged = { ...CORRECT_DEFAULTS, ...options };
  requireOneOf("correctBiases", "method", merged.method, ["sequential", "parallel"]);
  requireOneOf("correctBiases", "keep", merged.keep, ["better", "always"]);
  for (const key of ["samples", "batchSize", "cacheBytes"] as const) {
    const value = merged[key];
    if (value === undefined) continue;
    if (Number.isInteger(value) && value >= 1) continue;
    throw new OptionsError("E2002", `correctBiases: invalid ${key} ${value}, expected a whole number from 1`, {
      expected: "an integer, 1 or more",
      actual: value,
    });
  }
  return merged;
}
