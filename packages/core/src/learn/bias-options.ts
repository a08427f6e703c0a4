import type { QuantizedFrom, QuantizedPair } from "../correct/targets.js";
import type { Dataset } from "../data/index.js";
import { requireOneOf } from "../errors.js";
import { defaultsOf, type OptionsOf, readOptions } from "../option.js";
import { TUNE_BIASES_OPTIONS } from "./definition.js";

/**
 * What {@link tuneBiases} works on, and how. `rate` is Adam's, in units of each layer's output, root mean square; half a cosine
 * down to 0.
 */
export interface TuneBiasesOptions extends QuantizedFrom, OptionsOf<typeof TUNE_BIASES_OPTIONS> {
  /** `better`: undone where the output did not come closer to the float model's. `always`: kept anyway. Default: `'better'`. */
  keep?: "better" | "always";
}

export type ResolvedTuneBiases = Required<TuneBiasesOptions>;

/** With the model that is changed, and samples without labels. */
export type TuneBiasesTask = ResolvedTuneBiases & QuantizedPair & { readonly dataset: Dataset };

/** Fills in defaults. @throws {OptionsError} E2001 unknown key, E2002 a number out of range, E2004 a value outside its set. */
export function resolveTuneBiases(options: TuneBiasesOptions): ResolvedTuneBiases {
  const given = readOptions("tuneBiases", TUNE_BIASES_OPTIONS, options, ["floatModel", "plan", "keep"]);
  const merged = { ...options, ...defaultsOf(TUNE_BIASES_OPTIONS), keep: "better" as const, ...given };
  requireOneOf("tuneBiases", "keep", merged.keep, ["better", "always"]);
  return merged;
}
