import type { Dataset } from "../data/index.js";
import { requireOneOf } from "../errors.js";
import { checkedValue, count, defaultsOf, type OptionsOf, readOptions } from "../option.js";
import type { SessionOptions } from "../runtime/index.js";
import { CORRECT_OPTIONS } from "./definition.js";
import type { QuantizedFrom, QuantizedPair } from "./targets.js";

/** ONNX Runtime would quantize float biases between Q/DQ nodes by itself: what is measured is what the file says. */
export const LITERAL_WEIGHTS: SessionOptions = { disabledOptimizers: ["WeightBiasQuantization"] };

export type CorrectionMethod = NonNullable<OptionsOf<typeof CORRECT_OPTIONS>["method"]>;

/** What {@link correctBiases} works on, and how. */
export interface CorrectBiasesOptions extends QuantizedFrom, OptionsOf<typeof CORRECT_OPTIONS> {
  /** Samples a run. The result does not depend on it beyond float rounding. Default: 8 to 32, more for small samples. */
  batchSize?: number;
  /** `better`: undone where the output did not come closer to the float model's. `always`: kept anyway. Default: `'better'`. */
  keep?: "better" | "always";
  /** Bound on the cut values kept between layers; fewer samples are taken where they would not fit. Default: 268435456 (256 MiB). */
  cacheBytes?: number;
  /** Samples the float means are taken over instead. Other images than the quantized side's make a wrong correction. @internal */
  referenceDataset?: Dataset;
}

const DEFAULTS = { keep: "better", cacheBytes: 256 * 1024 * 1024 } as const;

const MORE = ["floatModel", "plan", "batchSize", "keep", "cacheBytes", "referenceDataset"];

export type ResolvedCorrectOptions = CorrectBiasesOptions &
  Required<Omit<CorrectBiasesOptions, "batchSize" | "referenceDataset">>;

/** With the model that is corrected, and samples without labels. */
export type CorrectionTask = ResolvedCorrectOptions & QuantizedPair & { readonly dataset: Dataset };

/** Fills in defaults. @throws {OptionsError} E2001 unknown key, E2002 a number out of range, E2004 a value outside its set. */
export function resolveCorrectOptions(options: CorrectBiasesOptions): ResolvedCorrectOptions {
  const given = readOptions("correctBiases", CORRECT_OPTIONS, options, MORE);
  const merged = { ...options, ...DEFAULTS, ...defaultsOf(CORRECT_OPTIONS), ...given };
  requireOneOf("correctBiases", "keep", merged.keep, ["better", "always"]);
  for (const key of ["batchSize", "cacheBytes"] as const) {
    const value = merged[key];
    if (value !== undefined) checkedValue(`correctBiases: ${key}`, COUNT, value);
  }
  return merged;
}

const COUNT = count("bytes or samples", { min: 1 });
