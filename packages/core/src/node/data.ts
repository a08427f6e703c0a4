import { basename, dirname, join, relative, resolve, sep } from "node:path";
import type { DataFile } from "../data/data-file.js";
import { fileError } from "../data/errors.js";
import { requireInputShape } from "../data/input.js";
import { openFiles } from "../data/open-files.js";
import type { OpenedDataset, OpenOptions } from "../data/open-types.js";
import { plainInput } from "../data/plain-input.js";
import { randomDataset, randomRange } from "../data/random-dataset.js";
import { randomRecords } from "../data/random-records.js";
import { SNIFF_BYTES, sniff } from "../data/sniff.js";
import { diskFile, kindOf, listFolder } from "./data-folder.js";

/** Samples of random input when no number is given. */
const RANDOM_SAMPLES = 32;

/** Options for {@link openDataset}. */
export interface OpenDatasetOptions extends Omit<OpenOptions, "labels" | "main" | "name" | "nearbyClasses"> {
  /** `'auto'`, `'folders'`, `'none'`, or the path of a table or array of labels. Default: `'auto'`. */
  readonly labels?: string;
  /** Seed of random input. Default: 0. */
  readonly seed?: number;
}

async function optionalFile(path: string): Promise<DataFile | undefined> {
  return (await kindOf(path)) === "file" ? diskFile(path, path) : undefined;
}

/** The table somebody named, with a path relative to the data where it lies among them. */
async function labelsFile(path: string, root: string): Promise<DataFile> {
  if ((await kindOf(path)) !== "file") {
    throw fileError("E5004", path, "is no file of labels", "Give a CSV or .npy file, or one of auto, folders, none.");
  }
  const inside = relative(root, resolve(path));
  return diskFile(path, inside.startsWith("..") ? path : inside.split(sep).join("/"));
}

/**
 * Opens a folder, a file or a zip as samples for a model input; `'random'` (typed exactly so; `./random` is a folder)
 * gives marked random input over the range of the preset's pixels. Layouts and formats: docs/data.md.
 *
 * @throws {DataError} E5001 nothing there; E5002 damaged; E5003 wrong shape; E5004 labels; E5005 unsafe archive.
 * @example const data = await openDataset('photos/', { input: { shape: [3, 224, 224] }, decode: sharpDecoder(sharp), preprocess: { preset: 'imagenet' } });
 */
export async function openDataset(path: string, options: OpenDatasetOptions): Promise<OpenedDataset> {
  const { labels = "auto", seed = 0, ...rest } = options;
  if (path === "random") {
    const total = options.samples ?? RANDOM_SAMPLES;
    const input = options.input ?? (options.signature && plainInput(options.signature, undefined, options.preprocess));
    if (!input || input.shape.includes(0)) {
      if (!options.signature) requireInputShape(options.input ?? { shape: [] });
      const records = await randomRecords(options.signature!, total, seed);
      return { ...records, format: "random", total, preprocessed: false, notes: ["the input is random numbers"] };
    }
    const range = randomRange(input, options.preprocess);
    const dataset = randomDataset(input.shape, total, seed, range);
    return { ...dataset, format: "random", total, preprocessed: false, notes: ["the input is random numbers"] };
  }
  const kind = await kindOf(path);
  if (!kind) throw fileError("E5001", path, "does not exist", "Check the path of the data.");
  if (kind === "special") throw fileError("E5001", path, "is a device or a pipe", "Give a file or a folder.");
  const root = resolve(kind === "folder" ? path : dirname(path));
  // A class list is often kept once for several sets, in the folder that holds them.
  const nearby = kind === "folder" ? await optionalFile(join(root, "..", "classes.csv")) : undefined;
  const common: Omit<OpenOptions, "main"> = {
    ...rest,
    name: path,
    labels: labels === "auto" || labels === "folders" || labels === "none" ? labels : await labelsFile(labels, root),
    ...(nearby && { nearbyClasses: nearby }),
  };
  if (kind === "folder") return openFiles(await listFolder(root), common);
  const main = basename(path);
  const isTable = /\.csv$/i.test(main) && sniff(await diskFile(path, main).read(0, SNIFF_BYTES)) === "text";
  return openFiles(await listFolder(root, isTable ? undefined : 0), { ...common, main });
}
