import { OptionsError } from "../errors.js";
import type { ArraySource, WholeArray } from "./array-source.js";
import { openCifar } from "./cifar.js";
import { type Classified, type ClassifiedArray, classify } from "./classify.js";
import { baseName, type DataFile, keptFile } from "./data-file.js";
import { fileError } from "./errors.js";
import { idxPairKey, openIdx } from "./idx.js";
import { readLabels, requireLabelValues } from "./labels.js";
import { openNpy } from "./npy.js";
import { openRawFloats, type RawFloats } from "./raw-floats.js";

/** Names under which people save the samples and the labels in an .npz. */
const SAMPLE_KEYS = ["images", "data", "x", "X", "inputs", "input", "arr_0"];
const LABEL_KEYS = ["labels", "label", "y", "Y", "targets"];

/** An array of samples with its labels, if it has any. */
export interface LabelledArray {
  readonly source: ArraySource;
  readonly labels?: readonly number[];
  readonly format: string;
}

export function isArray(item: Classified): item is ClassifiedArray {
  return (
    item.kind !== "image" &&
    item.kind !== "wave" &&
    item.kind !== "text" &&
    item.kind !== "unknown" &&
    item.kind !== "zip"
  );
}

async function labelValues(array: WholeArray, count: number): Promise<number[]> {
  const { shape, file } = array;
  if (shape.length !== 1 && !(shape.length === 2 && shape[1] === 1)) {
    const hint = "Labels are one class index a sample; one-hot vectors need argmax.";
    throw fileError("E5004", file, `has labels of shape [${shape.join(", ")}], expected [${count}]`, hint);
  }
  return requireLabelValues(await array.all(), count, file);
}

async function openNpz(file: DataFile, entries: readonly DataFile[]): Promise<LabelledArray> {
  const named = new Map(entries.map((entry) => [baseName(entry.path).replace(/\.npy$/, ""), entry]));
  const labelKey = LABEL_KEYS.find((key) => named.has(key));
  const others = [...named.keys()].filter((key) => key !== labelKey);
  const key = others.length === 1 ? others[0] : SAMPLE_KEYS.find((name) => named.has(name));
  if (key === undefined) {
    throw fileError(
      "E5001",
      file.path,
      `holds several arrays (${others.slice(0, 5).join(", ") || "none but labels"}), none called images or x`,
      "Save the one to use with numpy.savez(file, images=..., labels=...).",
      { actual: [...named.keys()] },
    );
  }
  const open = (name: string) => {
    const entry = named.get(name)!;
    const path = `${file.path}/${name}`;
    return openNpy(keptFile({ ...entry, path }));
  };
  const source = await open(key);
  if (labelKey === undefined) return { source, format: "NPZ" };
  return { source, labels: await labelValues(await open(labelKey), source.shape[0] ?? 0), format: "NPZ" };
}

/** Labels that lie beside a file under a fixed name: `x.labels.npy` for `x.npy`, the IDX file of the same pair. */
async function siblingLabels(item: ClassifiedArray, siblings: readonly DataFile[], count: number) {
  const path = item.file.path;
  const folder = path.slice(0, path.length - baseName(path).length);
  const near = siblings.filter((file) => file.path === folder + baseName(file.path));
  if (item.kind === "idx") {
    const mate = near.find((file) => /label/i.test(baseName(file.path)) && idxPairKey(file.path) === idxPairKey(path));
    const classified = mate && (await classify(mate));
    return classified?.kind === "idx" ? labelValues(await openIdx(classified.file), count) : undefined;
  }
  if (item.kind !== "npy" && item.kind !== "raw") return undefined;
  const mate = near.find((file) => file.path === `${path.replace(/\.[^./]*$/, "")}.labels.npy`);
  return mate && labelValues(await openNpy(mate), count);
}

/** Labels from a file somebody named: .npy, IDX, or a table with a column `label` in the order of the samples. */
export async function readArrayLabels(file: DataFile, count: number): Promise<readonly number[]> {
  const item = await classify(file);
  if (item.kind === "npy") return labelValues(await openNpy(item.file), count);
  if (item.kind === "idx") return labelValues(await openIdx(item.file), count);
  if (item.kind !== "text") {
    throw fileError("E5004", file.path, "is no table of labels", "Labels come as CSV, .npy or IDX.");
  }
  const { labels } = await readLabels(item.file, { needFiles: false });
  return requireLabelValues(labels, count, file.path);
}

async function openSource(item: ClassifiedArray, raw: RawFloats, keep: boolean): Promise<LabelledArray> {
  switch (item.kind) {
    case "npy":
      return { source: await openNpy(item.file, keep), format: "NPY" };
    case "npz":
      return openNpz(item.file, item.entries);
    case "idx":
      return { source: await openIdx(item.file), format: "IDX" };
    case "cifar":
      return { ...(await openCifar(item.file, item.cifar)), format: item.cifar.name };
    case "raw":
      return { source: await openRawFloats(item.file, raw, keep), format: "raw float32" };
  }
}

/**
 * Opens one array file with the labels it brings or that lie beside it.
 *
 * @param keep false where many such files are open together: their contents are then not kept in memory.
 */
export async function openArray(
  item: ClassifiedArray,
  siblings: readonly DataFile[],
  labels: "auto" | "none",
  raw: RawFloats,
  keep = true,
): Promise<LabelledArray> {
  const opened = await openSource(item, raw, keep);
  if (labels === "none") return { source: opened.source, format: opened.format };
  if (opened.labels) return opened;
  const found = await siblingLabels(item, siblings, opened.source.shape[0] ?? 0);
  return found ? { ...opened, labels: found } : opened;
}

/** Throws where folders were asked to be labels of something that is not a folder of images. */
export function refuseFolderLabels(what: string): never {
  throw new OptionsError("E2002", `data: labels from folders need images in one folder a class, this is ${what}`, {
    hint: "Give the labels as a file, or leave the option out.",
  });
}
