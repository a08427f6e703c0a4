import type { Skip } from "../runtime/index.js";
import { clipRules, PAPER_FLOOR } from "./clip-rules.js";
import { dfqFactors } from "./dfq.js";
import type { ResolvedEqualizeOptions } from "./equalize-options.js";
import { powerOfTwoWithin } from "./factors.js";
import type { NoiseModel } from "./noise-model.js";
import { normalizeFactors } from "./normalize-factors.js";
import { oneStepFactors } from "./one-step.js";
import { type FactorRules, optimalFactors } from "./optimal.js";
import type { ScaleClasses } from "./scale-classes.js";
import { twoStepFactors } from "./two-step.js";

/** Factors of a method, the rules they obey, and what it says about itself. */
export interface ChosenFactors {
  readonly factors: Float64Array[];
  readonly rules: FactorRules;
  readonly skipped: readonly Skip[];
  readonly proof: { readonly lowerBound: number; readonly gap: number; readonly iterations: number } | undefined;
}

/** Runs the method that the options name. Pure: nothing is applied. */
export function chooseFactors(
  options: ResolvedEqualizeOptions,
  classes: ScaleClasses,
  noise: NoiseModel | undefined,
): ChosenFactors {
  const { method, relu6, smax, limitPreActivation } = options;
  const stats = options.stats ?? new Map();
  // The paper's one-step equalization amplifies only; its 70 % is for two steps.
  const floor = method === "one-step" ? 1 : PAPER_FLOOR;
  const rules = clipRules(classes, options.stats, relu6, { floor, levels: 2 ** options.noise.activationBits - 1 });
  const chosen = (): Omit<ChosenFactors, "rules"> => {
    const greedy = { smax, limitPreActivation };
    switch (method) {
      case "dfq":
        return { factors: dfqFactors(classes, rules).factors, skipped: [], proof: undefined };
      case "one-step":
        return { ...oneStepFactors(classes, stats, rules, greedy), proof: undefined };
      case "two-step":
        return { ...twoStepFactors(classes, stats, rules, relu6, greedy), proof: undefined };
      case "optimal": {
        const { factors, lowerBound, gap, iterations } = optimalFactors(noise!, rules, options);
        const normalized = normalizeFactors(classes, stats, rules, factors);
        return { factors: normalized, skipped: [], proof: { lowerBound, gap, iterations } };
      }
    }
  };
  const result = chosen();
  if (!options.powerOfTwo) return { ...result, rules };
  return { ...result, factors: powerOfTwoWithin(result.factors, (factors) => rules.project(factors)), rules };
}
