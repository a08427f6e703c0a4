import type { Calibration } from "../calibrate/index.js";
import type { QuantizedFrom, QuantizedPair } from "../correct/targets.js";
import type { Dataset } from "../data/index.js";
import { requireOneOf } from "../errors.js";
import { defaultsOf, type OptionsOf, readOptions } from "../option.js";
import { ADA_ROUND_OPTIONS } from "./definition.js";

/** What {@link adaRound} works on, and how. `samples` and `rows` are spread over the dataset; `rate` is Adam's. */
export interface AdaRoundOptions extends QuantizedFrom, OptionsOf<typeof ADA_ROUND_OPTIONS> {
  /** What the plan was made from: tells how large inputs get, so that rounding up never makes a kernel saturate. */
  calibration?: Calibration;
  /** `better`: undone where the output did not come closer to the float model's. `always`: kept anyway. Default: `'better'`. */
  keep?: "better" | "always";
}

export type ResolvedAdaRound = AdaRoundOptions & Required<Omit<AdaRoundOptions, "calibration">>;

/** With the model that is changed, and samples without labels. */
export type AdaRoundTask = ResolvedAdaRound & QuantizedPair & { readonly dataset: Dataset };

/** Fills in defaults. @throws {OptionsError} E2001 unknown key, E2002 a number out of range, E2004 a value outside its set. */
export function resolveAdaRound(options: AdaRoundOptions): ResolvedAdaRound {
  const more = ["floatModel", "plan", "calibration", "keep"];
  const given = readOptions("adaRound", ADA_ROUND_OPTIONS, options, more);
  const merged = { ...options, ...defaultsOf(ADA_ROUND_OPTIONS), keep: "better" as const, ...given };
  requireOneOf("adaRound", "keep", merged.keep, ["better", "always"]);
  return merged;
}
