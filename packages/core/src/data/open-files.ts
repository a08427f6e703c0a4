import { DataError, OptionsError } from "../errors.js";
import { arrayDataset, asSamples } from "./array-dataset.js";
import { type Classified, type ClassifiedArray, classify, classifyByName } from "./classify.js";
import { concatDatasets } from "./concat.js";
import { baseName, type DataFile } from "./data-file.js";
import type { Dataset } from "./dataset.js";
import { fileError } from "./errors.js";
import { openImageRecords } from "./image-records.js";
import { type ModelInput, requireInputShape } from "./input.js";
import { readNpyHeader } from "./npy.js";
import { isArray, openArray, readArrayLabels, refuseFolderLabels } from "./open-arrays.js";
import { openImages } from "./open-images.js";
import { openRecords } from "./open-records.js";
import type { OpenedDataset, OpenedPart, OpenOptions, PlainOptions } from "./open-types.js";
import { plainInput } from "./plain-input.js";
import { isClutter } from "./sniff.js";
import { spread } from "./split.js";

function noData(name: string, problem: string): DataError {
  return new DataError("E5001", `data: "${name}" ${problem}`, {
    file: name,
    hint: "Known are images (in class folders, with labels.csv, or alone), .npy, .npz, IDX, CIFAR binary, float32 as .f32, and zip of these.",
  });
}

/** Training and test files in one folder would be mixed unnoticed; copies of one kind of sample are joined in order of name. */
function requireOneSet(items: readonly ClassifiedArray[], name: string): void {
  if (items.length < 2) return;
  const kinds = new Set(items.map((item) => item.kind));
  const tests = items.filter((item) => /^(test|t10k|val)/i.test(baseName(item.file.path)));
  const mixed = tests.length > 0 && tests.length < items.length;
  const joinable = kinds.size === 1 && (kinds.has("npy") || kinds.has("raw") || kinds.has("cifar"));
  if (joinable && !mixed) return;
  const files = items.map((item) => baseName(item.file.path));
  throw noData(name, `holds several sets (${files.slice(0, 4).join(", ")}); name the file to use`);
}

async function openArrays(
  items: readonly ClassifiedArray[],
  siblings: readonly DataFile[],
  options: PlainOptions,
): Promise<OpenedPart> {
  const { input, preprocess, labels = "auto", stride } = options;
  if (labels === "folders") refuseFolderLabels("an array");
  const raw = { shape: input.shape, ...(stride !== undefined && { stride }) };
  const automatic = labels === "auto" ? "auto" : "none";
  const parts = [];
  let format = "";
  for (const item of items) {
    const array = await openArray(item, siblings, automatic, raw, items.length === 1);
    const known = sized(input, array.source.shape);
    requireInputShape(known);
    const source = asSamples(array.source, known);
    format = array.format;
    parts.push(arrayDataset(source, known, preprocess, array.labels));
  }
  const preprocessed = parts.every((part) => part.preprocessed);
  let dataset: Dataset = parts.length === 1 ? parts[0]! : concatDatasets(parts);
  const beside = siblings.find((file) => file.path === "labels.csv");
  const table = typeof labels === "object" ? labels : labels === "auto" && !dataset.label ? beside : undefined;
  if (table) {
    const values = await readArrayLabels(table, dataset.length);
    dataset = { ...dataset, label: (index: number) => values[index]! };
  }
  const ignored = preprocess && Object.keys(preprocess).length > 0 && !preprocessed;
  const notes = ignored
    ? ["the data are numbers, not pixels: preset, mean, std, resize and crop were not applied"]
    : [];
  return { dataset, format, preprocessed, notes };
}

/** The input with the sizes that it leaves open as an array has them. */
function sized(input: ModelInput, shape: readonly number[]): ModelInput {
  if (!input.shape.includes(0)) return input;
  const rank = input.shape.length;
  const own = shape.length === rank + 1 ? shape.slice(1) : shape;
  return own.length === rank ? { ...input, shape: input.shape.map((size, axis) => size || own[axis]!) } : input;
}

/** The plain input that the options say, or that follows from what the network takes. */
function inputOf(options: OpenOptions): ModelInput | undefined {
  return options.input ?? (options.signature && plainInput(options.signature, undefined, options.preprocess));
}

function arrayOptions(options: OpenOptions, name: string): PlainOptions {
  const input = inputOf(options);
  if (input) return { ...options, input };
  const names = options.signature?.inputs.map((own) => own.name) ?? [];
  throw fileError(
    "E5003",
    name,
    `is one array, the model takes ${names.join(", ")}`,
    "Give an .npz with one array an input.",
    {
      expected: names,
    },
  );
}

/** @throws {DataError} E5003 when images cannot be made for the network. */
function imageOptions(options: OpenOptions, name: string): PlainOptions {
  const input = inputOf(options);
  if (input) {
    requireInputShape(input);
    return { ...options, input };
  }
  const names = options.signature?.inputs.map((own) => own.name) ?? [];
  throw fileError(
    "E5003",
    name,
    `is images, the model takes ${names.join(", ")}`,
    "Give an .npz with one array an input, or JSON lines.",
    {
      expected: names,
    },
  );
}

async function openFolder(files: readonly DataFile[], options: OpenOptions, name: string): Promise<OpenedPart> {
  const isTable = (file: DataFile) =>
    /(^|\/)(labels|classes)\.csv$/.test(file.path) || /\.labels\.npy$/.test(file.path);
  const items: Classified[] = [];
  const table = typeof options.labels === "object" ? options.labels.path : undefined;
  for (const file of files) if (!isTable(file) && file.path !== table) items.push(await classifyByName(file));
  const images = items.filter((item) => item.kind === "image").map((item) => item.file);
  const unknown = items.filter((item) => item.kind === "unknown" || item.kind === "zip");
  // Labels of an IDX pair are an array too, but not samples.
  const arrays = items
    .filter(isArray)
    .filter((item) => item.kind !== "idx" || !/label/i.test(baseName(item.file.path)));
  const leftOut = images.length > 0 ? [...unknown, ...arrays] : unknown;
  const notes = leftOut.length === 0 ? [] : [`${leftOut.length} files were left out (${leftOut[0]!.file.path})`];
  if (images.length > 0) {
    const beside = inputOf(options) ? undefined : await openImageRecords(images, items, files, options, name);
    if (beside) return beside;
    const part = await openImages(images, files, imageOptions(options, name));
    return { ...part, notes: [...part.notes, ...notes] };
  }
  const records = await recordsOf(items, options, name);
  if (records) return { ...records, notes: [...records.notes, ...notes] };
  if (arrays.length === 0) {
    const zips = unknown.some((item) => item.kind === "zip");
    throw noData(name, zips ? "holds a zip: name the zip itself" : "holds no images and no arrays");
  }
  requireOneSet(arrays, name);
  const part = await openArrays(arrays, files, arrayOptions(options, name));
  return { ...part, notes: [...part.notes, ...notes] };
}

/**
 * Data that only records can hold: all data of a network without a plain input, text, sound, and arrays with one dimension more than a
 * batch of the input has.
 */
async function recordsOf(
  items: readonly Classified[],
  options: OpenOptions,
  name: string,
): Promise<OpenedPart | undefined> {
  const input = inputOf(options);
  const lines = items.some(({ kind, file }) => kind === "wave" || (kind === "text" && !/\.csv$/i.test(file.path)));
  if (input && !lines && !(await hasMoreDimensions(items, input))) return undefined;
  return openRecords(items, options, name);
}

/** Whether an array has samples with all dimensions of the network's input: one that has no batch. */
async function hasMoreDimensions(items: readonly Classified[], { shape }: ModelInput): Promise<boolean> {
  const [item] = items;
  if (items.length !== 1 || item?.kind !== "npy") return false;
  return (await readNpyHeader(item.file)).shape.length === shape.length + 2;
}

async function openMain(main: DataFile, files: readonly DataFile[], options: OpenOptions): Promise<OpenedPart> {
  const item = await classify(main);
  if (item.kind === "zip") {
    const inside = item.entries.filter((entry) => !isClutter(entry.path));
    if (inside.length === 0) throw noData(main.path, "is an empty archive");
    return openFolder(inside, options, main.path);
  }
  if (item.kind === "image") return openImages([item.file], [item.file], imageOptions(options, main.path));
  const records = await recordsOf([item], options, main.path);
  if (records) return records;
  if (isArray(item)) return openArrays([item], files, arrayOptions(options, main.path));
  // A table named as the data: its files lie around it.
  if (item.kind === "text" && /\.csv$/i.test(main.path))
    return openFolder(files, { ...options, labels: main }, main.path);
  throw noData(main.path, (await main.size()) === 0 ? "is an empty file" : "is in no known format");
}

/**
 * Opens data from files, wherever they lie: the layout and each format are recognised by content. See docs/data.md.
 *
 * @throws {DataError} E5001 nothing usable; E5002 damaged; E5003 wrong shape; E5004 labels; E5005 unsafe archive.
 * Damage inside an image or array shows when its sample is read.
 */
export async function openFiles(all: readonly DataFile[], options: OpenOptions): Promise<OpenedDataset> {
  const { name = "data", main, samples } = options;
  if (samples !== undefined && !(Number.isInteger(samples) && samples >= 1)) {
    throw new OptionsError("E2002", `data: invalid samples ${samples}, expected a positive integer`, {
      actual: samples,
    });
  }
  const files = all
    .filter((file) => !isClutter(file.path))
    .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const single = main === undefined ? undefined : all.find((file) => file.path === main);
  if (main !== undefined && !single) throw fileError("E5001", main, "does not exist", "Check the path.");
  if (!single && files.length === 0) throw noData(name, "is an empty folder");
  const part = single ? await openMain(single, files, options) : await openFolder(files, options, name);
  const { dataset, format, preprocessed, notes } = part;
  if (dataset.length === 0) throw noData(name, "holds no samples");
  const chosen = samples === undefined ? dataset : spread(dataset, samples);
  return { ...chosen, format, total: dataset.length, preprocessed, notes };
}
