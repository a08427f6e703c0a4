import { OptionsError } from "@equant/core/errors";
import type { QuantizeOptions, RecipeStep } from "@equant/core/web";

/** Options of the recipe's quantize step. @throws {OptionsError} E2007 without one. */
export function quantizeOptionsOf(steps: readonly RecipeStep[]): QuantizeOptions {
  const step = steps.find(({ use }) => use === "quantize");
  if (step?.use !== "quantize") throw new OptionsError("E2007", "recipe: steps need exactly one quantize");
  const { use: _use, keep: _keep, ...options } = step;
  return options;
}
