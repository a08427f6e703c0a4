import type { PruneMethod } from "@equant/core/lab";
import type { PruningCurve, PruningSection } from "@equant/report";
import { computed, signal } from "@preact/signals";
import type { PrunedNetwork } from "../protocol.js";
import { stepOf } from "../recipe/recipe.js";
import { openData, openModel } from "./actions.js";
import { callEngine } from "./jobs.js";
import { editStep, toggleStep } from "./recipe-edit.js";
import { dataSource, model, prunedModel, recipe } from "./store.js";

export interface PruneSettings {
  readonly method: PruneMethod;
  readonly granularity: "weights" | "channels";
  readonly sparsity: number;
  readonly steps: number;
}

const tried = signal<PruneSettings>({ method: "synflow", granularity: "weights", sparsity: 0.9, steps: 10 });
/** What the screen shows: the recipe's step where there is one. N:M patterns of dropped recipes show as weights. */
export const pruneSettings = computed((): PruneSettings => {
  const step = stepOf(recipe.value, "prune");
  if (!step) return tried.value;
  const { method = "synflow", granularity, sparsity = 0.9, steps = 10 } = step;
  return { method, granularity: granularity === "channels" ? "channels" : "weights", sparsity, steps };
});

/** Changes what is tried, and the recipe's step where there is one. */
export function setPruning(change: Partial<PruneSettings>): void {
  tried.value = { ...pruneSettings.value, ...change };
  if (stepOf(recipe.value, "prune")) editStep("prune", change);
}

/** Pruning becomes a step of the recipe, or leaves it. */
export function togglePruning(on: boolean): void {
  if (on) editStep("prune", pruneSettings.value);
  else toggleStep("prune", false);
}

/** The iteration that was chosen as a step of the recipe: the same schedule, ended there. */
export function putPruningIntoRecipe(): void {
  const result = pruning.value;
  const chosen = result?.iterations.find(({ iteration }) => iteration === result.chosen);
  if (!result || !chosen) return;
  const { method, granularity } = result.settings;
  editStep("prune", { method, granularity, sparsity: chosen.target, steps: chosen.iteration });
}
/** The last result with the lines of those before, and the model it was made from. */
export const pruning = signal<
  (PrunedNetwork & { readonly model: string; readonly chosen: number; readonly settings: PruneSettings }) | null
>(null);
export const pruningLive = signal<PruningSection | null>(null);

/** Prunes a copy; with `iteration` as far as that iteration of the last result. */
export async function runPruning(iteration?: number): Promise<void> {
  const last = pruning.value;
  // An iteration belongs to the settings that made it, whatever is set now.
  const settings = iteration === undefined || !last ? pruneSettings.value : last.settings;
  const upTo = iteration === undefined ? undefined : last?.iterations.find((entry) => entry.iteration === iteration);
  // A linear schedule to the target of iteration k in k steps is the beginning of the whole one.
  const asked = upTo ? { ...settings, sparsity: upTo.target, steps: upTo.iteration } : settings;
  const kept = last?.model === model.value?.sha256 ? (last?.section.curves ?? []) : [];
  const others = kept.filter(({ method }) => method !== curveName(settings));
  const onPart = ({ part }: { part?: unknown }) => {
    const { original, points } = part as { original: number | null; points: PruningCurve["points"] };
    if (upTo) return;
    pruningLive.value = { original, layers: [], curves: [...others, { method: curveName(settings), points }] };
  };
  const found = await callEngine("prune", asked, { screen: "prune", canPause: true, onPart });
  if (!found) return;
  const curve = upTo ? kept.find(({ method }) => method === curveName(settings)) : undefined;
  const curves = [...others, curve ?? { ...found.section.curves[0]!, method: curveName(settings) }];
  prunedModel.value = model.value!.sha256;
  pruning.value = {
    ...found,
    iterations: upTo ? last!.iterations : found.iterations,
    section: { ...found.section, curves },
    model: model.value!.sha256,
    chosen: iteration ?? found.iterations.length,
    settings,
  };
}

function curveName({ method, granularity }: PruneSettings): string {
  return granularity === "channels" ? `${method}, channels` : method;
}

/** The pruned network as the model of everything that follows, with the data as they are. */
export async function continueWithPruned(): Promise<void> {
  const result = pruning.value;
  const open = model.value;
  const source = dataSource.value;
  if (!result || !open) return;
  const name = `${open.name.replace(/(\.pruned)?\.onnx$/i, "")}.pruned.onnx`;
  const blob = new Blob([result.bytes]);
  if (await openModel({ name, main: name, files: [{ path: name, blob }] })) {
    if (source) await openData(source);
  }
}
