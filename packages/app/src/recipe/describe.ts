import { definitionOf, type RecipeStep, stepOptions } from "@equant/core/steps";
import { inOrder, type Recipe } from "./recipe.js";

/** A recipe in a few words: `int8 per channel · mse · equalize optimal · bias`. */
export function runTitle(recipe: Recipe): string {
  const titles = inOrder(recipe.steps).map((step) => [definitionOf(step.use).phase, stepTitle(step)] as const);
  // What it becomes comes first.
  const quantized = titles.filter(([phase]) => phase === "quantize");
  const others = titles.filter(([phase]) => phase !== "quantize");
  return [...quantized, ...others].flatMap(([, title]) => title ?? []).join(" · ");
}

/** `prune 50 % of the weights (synflow)`; undefined where a step goes without saying. */
export function stepTitle(step: RecipeStep | undefined): string | undefined {
  return step && definitionOf(step.use).title(stepOptions(step));
}
