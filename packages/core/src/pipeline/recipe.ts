import { OptionsError } from "../errors.js";
import type { QuantizeOptions } from "../quantize/index.js";
import type { FloatStep } from "./float-steps.js";
import type { LateStep } from "./late-steps.js";

/** Quantizes with these options; exactly one in a recipe. */
export interface QuantizeStep extends QuantizeOptions {
  readonly use: "quantize";
}

export interface FoldStep {
  readonly use: "fold";
}

/** One step of a recipe. Every step is measured; `keep: 'always'` keeps it even where it makes the outputs worse. */
export type RecipeStep = (FoldStep | FloatStep | QuantizeStep | LateStep) & {
  readonly keep?: "better" | "always";
};

/**
 * The preset. Order and reasons:
 *
 * 1. fold: later steps see layers without BatchNormalization, whose constants would hide in the weights' ranges;
 * 2. dead channels: their large, meaningless weights set the range of every layer they touch, and equalizing around them cannot work;
 * 3. equalize: on the channels that remain, for the granularity that will be used;
 * 4. quantize: ranges of the final float network, with room for what unseen samples reach (`tail`): equalization made every channel end
 *    where its layer's range ends, so that any of them may exceed it;
 * 5. correct biases: the mean shift that rounding leaves in each channel, in the network as it will run.
 *
 * Two steps may follow that are not in it, for they cost more than all before: `ada-round`, which corrects biases on its way
 * and so must be compared with a network whose biases are correct, and `tune-biases`, which starts from what there is then.
 */
export const COMPRESS_RECIPE: readonly RecipeStep[] = [
  { use: "fold" },
  { use: "dead-channels" },
  { use: "equalize" },
  { use: "quantize", chooser: "tail" },
  { use: "bias-correct" },
];

const AFTER_QUANTIZE: readonly RecipeStep["use"][] = ["bias-correct", "ada-round", "tune-biases"];

/** Whether a step works on the quantized network. */
export function isLate<S extends RecipeStep>(step: S): step is S & LateStep {
  return AFTER_QUANTIZE.includes(step.use);
}

/** Checks the order of steps. @throws {OptionsError} E2007 when one stands where it cannot work. */
export function checkRecipe(steps: readonly RecipeStep[]): QuantizeStep {
  const at = steps.findIndex(({ use }) => use === "quantize");
  const quantize = steps[at];
  if (quantize?.use !== "quantize" || steps.slice(at + 1).some(({ use }) => use === "quantize")) {
    throw new OptionsError("E2007", "recipe: steps need exactly one quantize", {
      hint: 'for example "steps": [{"use": "fold"}, {"use": "quantize"}]',
    });
  }
  steps.forEach((step, index) => {
    const late = isLate(step);
    if (index === at || late === index > at) return;
    throw new OptionsError("E2007", `recipe: ${step.use} must stand ${late ? "behind" : "before"} quantize`, {
      actual: step.use,
    });
  });
  return quantize;
}
