import type { PreprocessOptions } from "@equant/core";
import { COMPRESS_RECIPE, type RecipeStep, STEP_NAMES, type StepName, type StepOf } from "@equant/core/steps";

export type { StepName, StepOf };

/** How samples are made and split; everything that decides what the model is fed. */
export interface DataPlan {
  /** Samples for calibration, spread evenly over the data. */
  readonly samples: number;
  /** Most samples for validation, taken from those that calibration does not use. */
  readonly validate: number;
  readonly labels: "auto" | "folders" | "none";
  readonly preprocess: PreprocessOptions;
}

/** The whole state of intent: what is to be done with a model. Two equal recipes on equal inputs give equal bytes. */
export interface Recipe {
  readonly data: DataPlan;
  readonly steps: readonly RecipeStep[];
}

export const DATA_DEFAULTS: DataPlan = { samples: 100, validate: 500, labels: "auto", preprocess: {} };

/** The preset. */
export const DEFAULT_RECIPE: Recipe = { data: DATA_DEFAULTS, steps: COMPRESS_RECIPE };

/** Steps in the order in which every recipe has them. */
export function inOrder(steps: readonly RecipeStep[]): RecipeStep[] {
  return [...steps].sort((a, b) => STEP_NAMES.indexOf(a.use) - STEP_NAMES.indexOf(b.use));
}

export function stepOf<N extends StepName>(recipe: Recipe, use: N): StepOf<N> | undefined {
  return recipe.steps.find((step) => step.use === use) as StepOf<N> | undefined;
}

/** The recipe with this step put where it belongs, in place of one of the same kind. */
export function withStep(recipe: Recipe, step: RecipeStep): Recipe {
  const others = recipe.steps.filter(({ use }) => use !== step.use);
  return { ...recipe, steps: inOrder([...others, step]) };
}

export function withoutStep(recipe: Recipe, use: StepName): Recipe {
  return { ...recipe, steps: recipe.steps.filter((step) => step.use !== use) };
}

export function withData(recipe: Recipe, change: Partial<DataPlan>): Recipe {
  return { ...recipe, data: { ...recipe.data, ...change } };
}

/** The step without options that are not set, so that equal intents are equal texts. */
export function canonical(value: unknown): string {
  return JSON.stringify(sorted(value));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, entry]) => entry !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, entry]) => [key, sorted(entry)]),
  );
}

/** Paths at which two recipes differ, with both values: what «Compare» shows. */
export function recipeDiff(a: Recipe, b: Recipe): { path: string; a: unknown; b: unknown }[] {
  const [left, right] = [flat(a), flat(b)];
  const paths = [...new Set([...left.keys(), ...right.keys()])];
  return paths
    .filter((path) => canonical(left.get(path)) !== canonical(right.get(path)))
    .map((path) => ({ path, a: left.get(path), b: right.get(path) }));
}

function flat({ data, steps }: Recipe): Map<string, unknown> {
  const entries = new Map<string, unknown>();
  const walk = (path: string, value: unknown): void => {
    if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      for (const [key, entry] of Object.entries(value)) walk(`${path}.${key}`, entry);
    } else if (value !== undefined) entries.set(path, value);
  };
  walk("data", data);
  for (const { use, ...options } of steps) {
    entries.set(use, "on");
    walk(use, options);
  }
  return entries;
}
