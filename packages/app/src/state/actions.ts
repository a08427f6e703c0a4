import type { PreprocessOptions } from "@equant/core";
import { chartsDrawn } from "../charts/client.js";
import { warm } from "../engine/warm.js";
import type { DataSource, ModelSource } from "../protocol.js";
import { canonical, DATA_DEFAULTS, DEFAULT_RECIPE, type Recipe, withData } from "../recipe/recipe.js";
import { calibrationKey, dataKey, equalizationKey, isRunStale, runKey } from "./derived.js";
import { callEngine } from "./jobs.js";
import { tickLayer } from "./layer-rows.js";
import { editData, setRecipe, toggleStep } from "./recipe-edit.js";
import type { ScreenId } from "./screens.js";
import * as store from "./store.js";

/** Opens a model; what was open stays when it cannot be opened. */
export async function openModel(source: ModelSource): Promise<boolean> {
  if (!(await showModel(source))) return false;
  await completeModel();
  return true;
}

/** What the first pictures can do without. */
async function completeModel(): Promise<void> {
  await sortWeights();
  await inspectShapes();
}

async function showModel(source: ModelSource): Promise<boolean> {
  void warm();
  const summary = await callEngine("openModel", { source }, { screen: "model" });
  if (!summary) return false;
  store.modelSource.value = source;
  store.model.value = summary;
  store.data.value = null;
  store.check.value = null;
  store.guess.value = null;
  store.calibration.value = null;
  store.equalization.value = null;
  store.currentRunId.value = null;
  store.selectedLayer.value = undefined;
  store.screen.value = "model";
  return true;
}

/** Resolves when another screen is shown. */
function left(screen: ScreenId): Promise<void> {
  return new Promise((go) => {
    const stop = store.screen.subscribe((shown) => {
      if (shown === screen) return;
      queueMicrotask(() => stop());
      go();
    });
  });
}

/** Quartiles of the layers that are not on screen. */
async function sortWeights(): Promise<void> {
  const open = store.model.value;
  if (!open) return;
  const except = open.weights.map(({ layer }) => layer);
  // From here on work takes the cores that the first pictures need.
  const options = { screen: "model" as const, optional: true, after: Promise.race([chartsDrawn(), left("model")]) };
  const more = await callEngine("weights", { except }, options);
  if (more && store.model.value === open) store.model.value = { ...open, weights: [...open.weights, ...more] };
}

/** Sizes of values need a run, which some models refuse: they stay unknown then. */
async function inspectShapes(): Promise<void> {
  const inspect = await callEngine("inspect", {}, { screen: "model", optional: true });
  const open = store.model.value;
  if (!inspect || !open) return;
  const macs = new Map(inspect.nodes.map((node) => [node.name, node.macs]));
  const layers = open.layers.map((layer) => ({ ...layer, macs: macs.get(layer.name) ?? layer.macs }));
  store.model.value = { ...open, inspect, layers };
}

/** Opens data for the model that is open, and checks the preprocessing. */
export async function openData(source: DataSource): Promise<boolean> {
  const key = dataKey.value;
  const plan = store.recipe.value.data;
  const summary = await callEngine("openData", { source, plan }, { screen: "data" });
  if (!summary) return false;
  store.dataSource.value = source;
  store.data.value = { key, value: summary };
  store.check.value = null;
  await checkData();
  await guessPreprocessing(source);
  return true;
}

/** Asks the network what preprocessing it was trained with; it need not know. */
async function guessPreprocessing(source: DataSource): Promise<void> {
  const plan = store.recipe.value.data;
  const options = { screen: "data" as const, canPause: true, optional: true };
  store.guess.value = (await callEngine("guess", { source, plan }, options)) ?? null;
}

/** Takes the preprocessing that was found, and opens the data with it. */
export async function usePreprocessing(preprocess: PreprocessOptions): Promise<void> {
  editData({ preprocess });
  await freshData();
}

export async function checkData(): Promise<void> {
  const key = dataKey.value;
  const value = await callEngine("check", {}, { screen: "data" });
  if (value) store.check.value = { key, value };
}

/** Opens the data again where the recipe says something else of them now. */
async function freshData(): Promise<boolean> {
  const source = store.dataSource.value;
  if (!source) return false;
  if (store.data.value?.key === dataKey.value) return true;
  return openData(source);
}

/** Calibrates, then counts values for the pictures: what follows can do without them. */
export async function runCalibration(): Promise<boolean> {
  if (!(await calibrate())) return false;
  await observeValues();
  return true;
}

async function calibrate(): Promise<boolean> {
  if (!(await freshData())) return false;
  const key = calibrationKey.value;
  const { steps } = store.recipe.value;
  store.liveRanges.value = [];
  const onPart = ({ part }: { part?: unknown }) => {
    store.liveRanges.value = part as typeof store.liveRanges.value;
  };
  const value = await callEngine("calibrate", { steps }, { screen: "calibrate", canPause: true, onPart });
  if (!value) return false;
  store.calibration.value = { key, value };
  return true;
}

/** Counts the activations of the calibration at hand, for its pictures. */
export async function observeValues(): Promise<void> {
  const entry = store.calibration.value;
  if (!entry || entry.key !== calibrationKey.value || entry.value.observed) return;
  const params = { text: entry.value.text, steps: store.recipe.value.steps };
  const observed = await callEngine("observe", params, { screen: "calibrate", canPause: true, optional: true });
  if (observed && store.calibration.value === entry) {
    store.calibration.value = { ...entry, value: { ...entry.value, observed } };
  }
}

export async function useCalibration(text: string): Promise<boolean> {
  const key = calibrationKey.value;
  const value = await callEngine("useCalibration", { text }, { screen: "calibrate" });
  if (!value) return false;
  store.calibration.value = { key, value };
  await observeValues();
  return true;
}

export async function previewEqualization(): Promise<void> {
  if (!(await freshData())) return;
  const key = equalizationKey.value;
  const { steps } = store.recipe.value;
  const value = await callEngine("previewEqualize", { steps }, { screen: "equalize", canPause: true });
  if (value) store.equalization.value = { key, value };
}

/** Runs the recipe, or takes the run it gave before. */
export async function runRecipe(): Promise<boolean> {
  if (!store.model.value || !(await freshData())) return false;
  const recipe = store.recipe.value;
  const key = runKey.value;
  const known = store.runs.value.find(
    ({ recipe: r, model, data }) => canonical([model.sha256, data.sha256, r]) === key,
  );
  if (known) {
    store.currentRunId.value = known.id;
    return true;
  }
  const calibration = store.calibration.value?.key === calibrationKey.value ? store.calibration.value.value.text : null;
  const id = (await digest(key)).slice(0, 8);
  const outcome = await callEngine(
    "execute",
    { id, steps: recipe.steps, calibration },
    { screen: "quantize", canPause: true },
  );
  if (!outcome) return false;
  const { name, sha256, bytes } = store.model.value;
  const data = store.data.value!.value;
  const run: store.Run = {
    id,
    recipe,
    model: { name, sha256, bytes },
    data: { name: data.name, sha256: data.sha256 },
    outcome,
  };
  store.runs.value = [...store.runs.value, run];
  store.currentRunId.value = run.id;
  return true;
}

/** Layer by layer on some samples, then the whole network on those kept apart. */
export async function measureRun(): Promise<boolean> {
  const run = store.currentRun.value;
  if (!run || isRunStale.value) return false;
  const { calibration, bytes } = run.outcome;
  if (!store.measures.value[run.id]?.report) {
    const params = { id: run.id, steps: run.recipe.steps, calibration };
    const report = await callEngine("report", params, { screen: "validate", canPause: true });
    if (!report) return false;
    keep(run.id, { report });
  }
  if (!store.measures.value[run.id]?.validation) {
    const validation = await callEngine("validate", { bytes }, { screen: "validate", canPause: true });
    if (!validation) return false;
    keep(run.id, { validation });
  }
  return true;
}

/** Leaves a layer in float, and does everything again: what the layer costs is then seen in Compare. */
export async function keepInFloat(layer: string): Promise<void> {
  tickLayer(layer, false);
  if (await runRecipe()) await measureRun();
}

/** Equalization joins the recipe, and everything is done again. */
export async function equalizeAndRun(): Promise<void> {
  toggleStep("equalize", true);
  if (await runRecipe()) await measureRun();
}

function keep(id: string, more: store.Measures): void {
  store.measures.value = { ...store.measures.value, [id]: { ...store.measures.value[id], ...more } };
}

/** Samples of the demo: as many as the command's demo calibrates with, and enough to see a drop of a point. */
const DEMO_DATA = { ...DATA_DEFAULTS, samples: 200, validate: 1000 };

/** The demos: the digit network, and the same with a channel that is too wide, quantized without any help. */
export const DEMOS = {
  digits: { file: "digits.onnx", steps: DEFAULT_RECIPE.steps },
  "digits-wide": {
    file: "digits-wide.onnx",
    steps: [{ use: "fold" }, { use: "quantize", calibrator: "minmax", granularity: "per-tensor" }],
  },
} as const satisfies Record<string, { file: string; steps: Recipe["steps"] }>;
export type DemoName = keyof typeof DEMOS;

/** The embedded digits: open, calibrate, run, measure. */
export async function runDemo(demo: DemoName = "digits"): Promise<void> {
  const { file, steps } = DEMOS[demo];
  // The plain demo shows what the recipe at hand does; the other one shows what goes wrong without equalization.
  const recipe = demo === "digits" ? store.recipe.value : { ...store.recipe.value, steps };
  setRecipe(withData(recipe, DEMO_DATA));
  const blob = await (await fetch(`./demo/${file}`)).blob();
  if (!(await showModel({ name: file, main: file, files: [{ path: file, blob }] }))) return;
  // What is for screens that are left already comes last.
  if (await demoSteps()) await observeValues();
  await completeModel();
}

async function demoSteps(): Promise<boolean> {
  if (!(await openData({ kind: "digits" }))) return false;
  store.screen.value = "calibrate";
  if (!(await calibrate())) return false;
  store.screen.value = "quantize";
  if (!(await runRecipe())) return false;
  store.screen.value = "validate";
  return measureRun();
}

async function digest(text: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
