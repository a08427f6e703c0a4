import { computed } from "@preact/signals";
import { canonical, stepOf } from "../recipe/recipe.js";
import type { ScreenId, StepState } from "./screens.js";
import {
  activity,
  calibration,
  currentMeasures,
  currentRun,
  data,
  equalization,
  failedScreen,
  model,
  prunedModel,
  recipe,
  runs,
} from "./store.js";

/** What each result depends on; a result with another key is stale. */
export const dataKey = computed(() => canonical([model.value?.sha256, recipe.value.data]));
export const calibrationKey = computed(() => canonical([dataKey.value, stepOf(recipe.value, "quantize")]));
export const equalizationKey = computed(() => {
  const corrected = stepOf(recipe.value, "bias-correct") !== undefined;
  return canonical([calibrationKey.value, stepOf(recipe.value, "equalize"), corrected]);
});
/** The run the present recipe would give. */
export const runKey = computed(() => canonical([model.value?.sha256, data.value?.value.sha256, recipe.value]));

export const isRunStale = computed(() => {
  const run = currentRun.value;
  return run !== null && canonical([run.model.sha256, run.data.sha256, run.recipe]) !== runKey.value;
});

/** State of every step of the rail. */
export const stepStates = computed((): Readonly<Record<ScreenId, StepState>> => {
  const keyed = (entry: { key: string } | null, key: string): StepState =>
    entry === null ? "idle" : entry.key === key ? "done" : "stale";
  const run: StepState = currentRun.value === null ? "idle" : isRunStale.value ? "stale" : "done";
  const has = (step: "equalize" | "prune") => stepOf(recipe.value, step) !== undefined;
  const states: Record<ScreenId, StepState> = {
    start: model.value ? "done" : "idle",
    model: model.value ? "done" : "idle",
    data: keyed(data.value, dataKey.value),
    calibrate: keyed(calibration.value, calibrationKey.value),
    equalize: equalization.value ? keyed(equalization.value, equalizationKey.value) : has("equalize") ? run : "idle",
    prune: has("prune")
      ? run
      : prunedModel.value === null
        ? "idle"
        : prunedModel.value === model.value?.sha256
          ? "done"
          : "stale",
    quantize: run,
    validate: currentMeasures.value.validation ? run : "idle",
    compare: runs.value.length > 1 ? "done" : "idle",
    export: run,
  };
  if (failedScreen.value) states[failedScreen.value] = "failed";
  if (activity.value) states[activity.value.screen] = "running";
  return states;
});
