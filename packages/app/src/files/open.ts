import { problemOf } from "../problem.js";
import type { PlacedFile } from "../protocol.js";
import { readRecipe } from "../recipe/read-recipe.js";
import { openData, openModel, useCalibration } from "../state/actions.js";
import { setRecipe } from "../state/recipe-edit.js";
import { data, dataSource, model, problem, screen } from "../state/store.js";
import { permitSize } from "./size-policy.js";
import { groupFiles, sortFiles } from "./sort-files.js";

/** Opens whatever was dropped: a model, data for it, a recipe, a calibration, in any mix. Data wait for their model. */
export async function openDropped(files: readonly PlacedFile[]): Promise<void> {
  problem.value = null;
  performance.mark("equant:files");
  const { model: main, data: samples, json } = groupFiles(await sortFiles(files));
  if (main) {
    const name = main.path.slice(main.path.lastIndexOf("/") + 1);
    const folder = main.path.slice(0, main.path.length - name.length);
    const beside = files.map(({ path, blob }) => ({
      path: path.startsWith(folder) ? path.slice(folder.length) : path,
      blob,
    }));
    const source = { name, main: name, files: beside };
    if (!(await permitSize(source)) || !(await openModel(source))) return;
  }
  if (samples.length > 0) {
    const source = {
      kind: "files" as const,
      name: nameOf(samples),
      files: samples.map(({ path, blob }) => ({ path, blob })),
    };
    if (!model.value) dataSource.value = source;
    else if (await openData(source)) {
      if (!main) screen.value = "data";
    }
  } else if (main && dataSource.value?.kind === "files") await openData(dataSource.value);
  for (const { blob, path } of json) await openJson(await blob.text(), path);
  if (!main && samples.length === 0 && json.length === 0) nothingKnown(files);
}

function nameOf(samples: readonly PlacedFile[]): string {
  const [first] = samples;
  const folder = first!.path.split("/");
  return folder.length > 1 ? folder[0]! : samples.length === 1 ? first!.path : `${samples.length} files`;
}

async function openJson(text: string, path: string): Promise<void> {
  try {
    if (text.slice(0, 200).includes("equant.calibration/")) {
      if (data.value) await useCalibration(text);
      else throw new Error("Open the model and its data first, then drop the calibration.");
      screen.value = "calibrate";
      return;
    }
    setRecipe(readRecipe(text, path));
  } catch (error) {
    problem.value = problemOf(error);
  }
}

function nothingKnown(files: readonly PlacedFile[]): void {
  const names = files
    .slice(0, 3)
    .map(({ path }) => path)
    .join(", ");
  problem.value = {
    code: "E3002",
    what: "Nothing here is known.",
    where: names,
    why: "It is no ONNX model, no image, no array and no file of equant.",
    now: "Drop an .onnx model, images (folder or zip), IDX or NumPy arrays, a recipe or a calibration.",
  };
}
