import { effect } from "@preact/signals";
import { problemOf } from "../problem.js";
import type { DataSource, ModelSource, PlacedFile, RunOutcome } from "../protocol.js";
import { history } from "../recipe/history.js";
import type { Recipe } from "../recipe/recipe.js";
import { openData, openModel } from "./actions.js";
import { addLog } from "./jobs.js";
import { readFile, removeAll, writeFile } from "./session-files.js";
import * as store from "./store.js";

/** Data up to this size are kept with the session; more would fill the disk behind a person's back. */
const MOST_DATA_BYTES = 64e6;
const SAVE_MS = 400;

type RunRecord = Omit<store.Run, "outcome"> & { readonly outcome: Omit<RunOutcome, "bytes" | "floatBytes"> };

interface SessionFile {
  readonly version: 1;
  readonly recipe: Recipe;
  readonly screen: typeof store.screen.value;
  readonly model: { readonly name: string; readonly main: string; readonly paths: readonly string[] } | null;
  readonly data:
    | { readonly kind: "digits" }
    | { readonly kind: "files"; readonly name: string; readonly paths: readonly string[] }
    | null;
  /** Ids; each run has files of its own, written once. */
  readonly runs: readonly string[];
  readonly currentRunId: string | null;
  readonly pinned: typeof store.pinned.value;
}

let savedModel: ModelSource | null = null;
let savedData: DataSource | null = null;
const savedRuns = new Set<string>();
const savedMeasures = new WeakSet<store.Measures>();
let restoring = false;

/** Keeps the session on disk from now on; a failure is said once. */
export function startSaving(): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let tail: Promise<void> = Promise.resolve();
  let told = false;
  effect(() => {
    // What is read here is what a change of saves.
    void [store.recipe.value, store.runs.value, store.measures.value, store.modelSource.value, store.dataSource.value];
    void [store.screen.value, store.currentRunId.value, store.pinned.value];
    clearTimeout(timer);
    if (restoring || store.modelSource.value === null) return;
    timer = setTimeout(() => {
      tail = tail.then(save).catch((error: unknown) => {
        if (told) return;
        told = true;
        addLog(`the session is not kept: ${problemOf(error).why}`);
      });
    }, SAVE_MS);
  });
  addEventListener("beforeunload", (event) => {
    if (store.activity.value) event.preventDefault();
  });
}

async function save(): Promise<void> {
  const source = store.modelSource.value;
  if (source && source !== savedModel) {
    await removeAll("model");
    await writeAll("model", source.files);
    savedModel = source;
  }
  const data = store.dataSource.value;
  if (data && data !== savedData) {
    await removeAll("data");
    if (data.kind === "files" && isSmall(data)) await writeAll("data", data.files);
    savedData = data;
  }
  for (const run of store.runs.value) {
    if (!savedRuns.has(run.id)) await writeRun(run);
    savedRuns.add(run.id);
    const measured = store.measures.value[run.id];
    if (!measured || savedMeasures.has(measured)) continue;
    await writeFile(`runs/${run.id}.measures.json`, JSON.stringify(measured));
    savedMeasures.add(measured);
  }
  await writeFile("session.json", JSON.stringify(sessionFile(source, data)));
}

async function writeRun({ outcome: { bytes, floatBytes, ...outcome }, ...run }: store.Run): Promise<void> {
  await writeFile(`runs/${run.id}.onnx`, bytes);
  await writeFile(`runs/${run.id}.float.onnx`, floatBytes);
  const record: RunRecord = { ...run, outcome };
  await writeFile(`runs/${run.id}.json`, JSON.stringify(record));
}

function isSmall({ files }: { files: readonly PlacedFile[] }): boolean {
  return files.reduce((sum, { blob }) => sum + blob.size, 0) <= MOST_DATA_BYTES;
}

async function writeAll(folder: string, files: readonly PlacedFile[]): Promise<void> {
  for (const [index, { blob }] of files.entries()) await writeFile(`${folder}/${index}`, blob);
}

function sessionFile(source: ModelSource | null, data: DataSource | null): SessionFile {
  const paths = (files: readonly PlacedFile[]) => files.map(({ path }) => path);
  return {
    version: 1,
    recipe: store.recipe.value,
    screen: store.screen.value,
    model: source && { name: source.name, main: source.main, paths: paths(source.files) },
    data:
      data?.kind === "files"
        ? isSmall(data)
          ? { kind: "files", name: data.name, paths: paths(data.files) }
          : null
        : data,
    runs: store.runs.value.map(({ id }) => id),
    currentRunId: store.currentRunId.value,
    pinned: store.pinned.value,
  };
}

/** Opens what was open when the page was closed or died. False: there was nothing, or it cannot be read. */
export async function restoreSession(): Promise<boolean> {
  let saved: SessionFile;
  try {
    saved = JSON.parse(await (await readFile("session.json")).text()) as SessionFile;
    if (saved.version !== 1 || !saved.model) return false;
  } catch {
    return false;
  }
  restoring = true;
  try {
    const { model, data } = saved;
    store.recipes.value = history(saved.recipe);
    const source = { name: model.name, main: model.main, files: await readAll("model", model.paths) };
    savedModel = source;
    if (!(await openModel(source))) return false;
    if (data) {
      const from: DataSource = data.kind === "digits" ? data : { ...data, files: await readAll("data", data.paths) };
      savedData = from;
      await openData(from);
    }
    store.runs.value = await Promise.all(saved.runs.map(runOf));
    for (const id of saved.runs) savedRuns.add(id);
    store.measures.value = await measuresOf(saved.runs);
    store.currentRunId.value = saved.currentRunId;
    store.pinned.value = saved.pinned;
    store.screen.value = saved.screen;
    addLog("the last session was opened again");
    return true;
  } catch (error) {
    addLog(`the last session cannot be opened again: ${problemOf(error).why}`);
    return false;
  } finally {
    restoring = false;
  }
}

async function readAll(folder: string, paths: readonly string[]): Promise<PlacedFile[]> {
  return Promise.all(paths.map(async (path, index) => ({ path, blob: await readFile(`${folder}/${index}`) })));
}

async function runOf(id: string): Promise<store.Run> {
  const bytes = async (path: string) => new Uint8Array(await (await readFile(path)).arrayBuffer());
  const run = JSON.parse(await (await readFile(`runs/${id}.json`)).text()) as RunRecord;
  const [own, float] = [await bytes(`runs/${id}.onnx`), await bytes(`runs/${id}.float.onnx`)];
  return { ...run, outcome: { ...run.outcome, bytes: own, floatBytes: float } };
}

/** Measures of runs; one that was not measured has no file. */
async function measuresOf(ids: readonly string[]): Promise<Record<string, store.Measures>> {
  const found: Record<string, store.Measures> = {};
  for (const id of ids) {
    const text = await readFile(`runs/${id}.measures.json`).then(
      (file) => file.text(),
      () => undefined,
    );
    if (text === undefined) continue;
    const measured = JSON.parse(text) as store.Measures;
    savedMeasures.add(measured);
    found[id] = measured;
  }
  return found;
}

/** Forgets the session on disk and starts anew. */
export async function forgetSession(): Promise<void> {
  await removeAll();
  location.hash = "";
  location.reload();
}
