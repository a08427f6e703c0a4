import type { RecipeStep } from "@equant/core";
import { change, redo, undo } from "../recipe/history.js";
import {
  canonical,
  type DataPlan,
  type Recipe,
  type StepName,
  type StepOf,
  stepOf,
  withData,
  withoutStep,
  withStep,
} from "../recipe/recipe.js";
import { recipe, recipes } from "./store.js";

const same = (a: Recipe, b: Recipe) => canonical(a) === canonical(b);

export function setRecipe(next: Recipe): void {
  recipes.value = change(recipes.value, next, same);
}

export function undoRecipe(): void {
  recipes.value = undo(recipes.value);
}

export function redoRecipe(): void {
  recipes.value = redo(recipes.value);
}

/** Changes options of a step; the step is added where it is missing. Undefined removes an option. */
export function editStep<N extends StepName>(use: N, options: Partial<StepOf<N>>): void {
  const merged = { ...(stepOf(recipe.value, use) ?? { use }), ...options };
  const step = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined));
  setRecipe(withStep(recipe.value, step as unknown as RecipeStep));
}

export function toggleStep(use: StepName, on: boolean): void {
  if (!on) setRecipe(withoutStep(recipe.value, use));
  else if (!stepOf(recipe.value, use)) setRecipe(withStep(recipe.value, { use } as RecipeStep));
}

export function editData(change: Partial<DataPlan>): void {
  setRecipe(withData(recipe.value, change));
}
