import type { AdviceReport, FloatSearch, FloatTarget, FloatTrial, RemedyKind } from "@equant/core/lab";
import { signal } from "@preact/signals";
import { stepOf, withStep } from "../recipe/recipe.js";
import { measureRun, runRecipe } from "./actions.js";
import { callEngine } from "./jobs.js";
import { setRecipe } from "./recipe-edit.js";
import { currentRun, recipe } from "./store.js";

export const fixTarget = signal<FloatTarget>({ kind: "drop", value: 1 });
export const fixLive = signal<readonly FloatTrial[]>([]);
/** Result of a search, and the run it is about. */
export const fixed = signal<{ readonly run: string; readonly value: FloatSearch } | null>(null);
export const advice = signal<{ readonly run: string; readonly value: AdviceReport } | null>(null);

/** Searches the layers that must stay in float for the target. */
export async function searchFix(): Promise<void> {
  const run = currentRun.value;
  if (!run) return;
  const { calibration } = run.outcome;
  const target = fixTarget.value;
  fixLive.value = [];
  const onPart = ({ part }: { part?: unknown }) => {
    fixLive.value = part as readonly FloatTrial[];
  };
  const params = { id: run.id, steps: run.recipe.steps, calibration, target };
  const value = await callEngine("fixIt", params, { screen: "quantize", canPause: true, onPart });
  if (value) fixed.value = { run: run.id, value };
}

/** Leaves the layers that were found in float: one change of the recipe, which one undo takes back. */
export function applyFix(): void {
  const run = currentRun.value;
  const found = fixed.value;
  if (!run || found?.run !== run.id) return;
  const step = stepOf(run.recipe, "quantize")!;
  const exclude = [...new Set([...(step.exclude ?? []), ...found.value.best.layers])];
  setRecipe(withStep(run.recipe, { ...step, exclude }));
}

export async function applyFixAndRun(): Promise<void> {
  applyFix();
  if (await runRecipe()) await measureRun();
}

/** Names the layers that harm the output most, why, and what helps. */
export async function findCauses(): Promise<void> {
  const run = currentRun.value;
  if (!run) return;
  const params = { id: run.id, steps: run.recipe.steps, calibration: run.outcome.calibration };
  const value = await callEngine("advise", params, { screen: "quantize", canPause: true });
  if (value) advice.value = { run: run.id, value };
}

/** Puts a remedy into the recipe; one change. False: no step of the recipe does it. */
export function applyRemedy(kind: RemedyKind, layer: string): void {
  const step = stepOf(recipe.value, "quantize") ?? { use: "quantize" as const };
  const equalized = withStep(recipe.value, stepOf(recipe.value, "equalize") ?? { use: "equalize" });
  const dead = (from: typeof equalized) => withStep(from, stepOf(from, "dead-channels") ?? { use: "dead-channels" });
  if (kind === "equalize") setRecipe(equalized);
  else if (kind === "dead-channels") setRecipe(dead(recipe.value));
  else if (kind === "dead-channels+equalize") setRecipe(dead(equalized));
  else if (kind === "per-channel") setRecipe(withStep(recipe.value, { ...step, granularity: "per-channel" }));
  else if (kind === "minmax") setRecipe(withStep(recipe.value, { ...step, calibrator: "minmax" }));
  else if (kind === "float") {
    const exclude = [...new Set([...(step.exclude ?? []), layer])];
    setRecipe(withStep(recipe.value, { ...step, exclude }));
  }
}

/** Remedies that a recipe can say; single layers of another width it cannot. */
export function isApplicable(kind: RemedyKind): boolean {
  return kind !== "weight-bits" && kind !== "activation-bits";
}
