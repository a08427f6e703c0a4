import { toConfig } from "./config.js";
import { readRecipe } from "./read-recipe.js";
import { canonical, type Recipe } from "./recipe.js";

/** Whether a config file can say all of the recipe: 6-bit weights, for example, only flags can. */
export function isExpressible(recipe: Recipe): boolean {
  const read = readRecipe(JSON.stringify(toConfig(recipe)));
  return canonical(read.steps) === canonical(recipe.steps);
}
