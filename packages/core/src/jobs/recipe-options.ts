import { OptionsError } from "../errors.js";
import type { QuantizeOptions } from "../quantize/index.js";
import type { RecipeStep } from "../steps/index.js";

/** How a recipe quantizes. @throws {OptionsError} E2007 a recipe without a step that does. */
export function quantizeOptionsOf(steps: readonly RecipeStep[]): QuantizeOptions {
  const step = steps.find(({ use }) => use === "quantize");
  if (step?.use !== "quantize") throw new OptionsError("E2007", "recipe: steps need exactly one quantize");
  const { use: _use, keep: _keep, ...options } = step;
  return options;
}
