import { DataError } from "../errors.js";
import { readTable } from "./csv.js";
import { baseName, type DataFile } from "./data-file.js";
import type { Dataset } from "./dataset.js";
import { fileError } from "./errors.js";
import { readText } from "./text.js";

/** Class names by index, and the index of a name; from `classes.csv` or from folder names. */
export interface ClassList {
  readonly names: readonly string[];
  /** Index of a class by its name or WordNet id. */
  indexOf(name: string): number | undefined;
}

/** Largest class index accepted: beyond it a number is more likely an id, a date or a mistake. */
const MAX_CLASSES = 100_000;

function parseIndex(text: string): number | undefined {
  return /^\d{1,6}$/.test(text) && Number(text) < MAX_CLASSES ? Number(text) : undefined;
}

/** Reads `classes.csv`: index,name or index,wordnet_id,name. */
export async function readClasses(file: DataFile): Promise<ClassList> {
  const aliases = { index: ["index", "label", "id"], name: ["name", "class"], wordnet: ["wordnet_id", "wnid"] };
  const table = readTable(await readText(file), file.path, aliases, ["index", "name"]);
  const names: string[] = [];
  const byName = new Map<string, number>();
  for (let row = 0; row < table.length; row++) {
    const index = parseIndex(table.cell(row, "index"));
    if (index === undefined) {
      const problem = `line ${table.line(row)}: "${table.cell(row, "index")}" is not a class index`;
      throw fileError("E5004", file.path, problem, "Class indices are integers from 0.");
    }
    const name = table.cell(row, "name");
    names[index] = name;
    // Two ImageNet classes are called "crane": the first keeps the name, their ids tell them apart.
    if (!byName.has(name)) byName.set(name, index);
    const id = table.cell(row, "wordnet");
    if (id !== "") byName.set(id, index);
  }
  return { names: Array.from(names, (name, i) => name ?? String(i)), indexOf: (name) => byName.get(name) };
}

/**
 * Classes of a folder tree. Folders that are all numbers mean that number (so a missing class does not shift the rest);
 * otherwise folders are numbered in alphabetical order by code unit, unless `known` lists every one of them.
 */
export function classesOfFolders(folders: readonly string[], known?: ClassList): ClassList {
  if (known && folders.every((folder) => known.indexOf(folder) !== undefined)) return known;
  const numbers = folders.map(parseIndex);
  if (numbers.every((n) => n !== undefined)) {
    const names = Array.from({ length: Math.max(...numbers) + 1 }, (_, i) => known?.names[i] ?? String(i));
    return { names, indexOf: parseIndex };
  }
  const names = [...folders].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const positions = new Map(names.map((name, i) => [name, i]));
  return { names, indexOf: (name) => positions.get(name) };
}

/** Rows of `labels.csv` with labels resolved to class indices, in the order of the file. */
export interface LabelTable {
  readonly labels: Int32Array;
  /** Path of a sample; empty where the table has no file column (labels of an array, in order). */
  file(row: number): string;
  /** Where a row starts in the file; counts from 1. */
  line(row: number): number;
  readonly classes?: ClassList;
}

/** How {@link readLabels} reads. */
export interface LabelOptions {
  /** Class list to look names up in. */
  readonly classes?: ClassList;
  /** False: a class list that does not cover every label is put aside instead of being an error. Default: true. */
  readonly mustCover?: boolean;
  /** False: the table may lack the file column, its labels are in the order of the samples. Default: true. */
  readonly needFiles?: boolean;
}

/**
 * Reads `labels.csv`: file,label. Labels that are all numbers are class indices; otherwise all are names, looked up in
 * the class list or, without one, numbered in alphabetical order.
 *
 * @throws {DataError} E5004 a column, a name or an index is missing or wrong; the line is named.
 */
export async function readLabels(file: DataFile, options: LabelOptions = {}): Promise<LabelTable> {
  const { classes: known, mustCover = true, needFiles = true } = options;
  const aliases = { file: ["file", "filename", "path", "image"], label: ["label", "class"] };
  const table = readTable(await readText(file), file.path, aliases, needFiles ? ["file", "label"] : ["label"]);
  const fail = (row: number, problem: string, hint: string) =>
    fileError("E5004", file.path, `line ${table.line(row)}: ${problem}`, hint, { line: table.line(row) });
  const [texts, distinct] = [[] as string[], new Map<string, string>()];
  for (let row = 0; row < table.length; row++) {
    const text = table.cell(row, "label");
    if (text === "" || (needFiles && table.cell(row, "file") === ""))
      throw fail(row, "a cell is empty", "Every line is file,label.");
    if (/^-\d+$/.test(text))
      throw fail(row, `label ${text} is negative`, "Class indices start at 0; leave unlabelled files out.");
    // One string a class, however many samples it has.
    if (!distinct.has(text)) distinct.set(text, text);
    texts.push(distinct.get(text)!);
  }
  const names = [...distinct.keys()];
  const numeric = names.every((name) => /^\d+$/.test(name));
  const covered = (name: string) => (numeric ? Number(name) < known!.names.length : known!.indexOf(name) !== undefined);
  const listed = known && (mustCover || names.every(covered)) ? known : undefined;
  const classes = listed ?? (numeric ? undefined : classesOfFolders(names));
  const indices = new Map(names.map((name) => [name, numeric ? parseIndex(name) : classes!.indexOf(name)]));
  const labels = Int32Array.from(texts, (text, row) => {
    const label = indices.get(text);
    if (label !== undefined) return label;
    const problem = numeric ? "is too large for a class index" : "is not in the class list";
    const hint = "Labels are all class indices from 0, or all names, listed in classes.csv if there is one.";
    throw fail(row, `label "${text}" ${problem}`, hint);
  });
  return {
    labels,
    file: (row) => table.cell(row, "file").replaceAll("\\", "/").replace(/^\.\//, ""),
    line: (row) => table.line(row),
    ...(classes && { classes }),
  };
}

/** Labels as array files have them: whole numbers from 0, one a sample. */
export function requireLabelValues(values: ArrayLike<number>, count: number, file: string): number[] {
  if (values.length !== count) {
    const problem = `has ${values.length} labels for ${count} samples`;
    throw fileError("E5004", file, problem, "Give one class index a sample.", {
      expected: count,
      actual: values.length,
    });
  }
  return Array.from(values, (value, i) => {
    if (Number.isInteger(value) && value >= 0 && value < MAX_CLASSES) return value;
    const hint = "Labels are class indices, whole numbers from 0; one-hot vectors need argmax.";
    throw fileError("E5004", file, `has label ${value} at position ${i}`, hint, { actual: value });
  });
}

/**
 * Throws {@link DataError} E5004 unless `dataset` is labelled and every label is in [0, `classes`). Called where the
 * number of classes is known: by validate, with the size of the model's output.
 */
export function checkLabels(dataset: Dataset, classes: number): void {
  if (!dataset.label) {
    throw new DataError("E5004", "data: the samples have no labels", {
      hint: "Sort images into one folder a class, or add labels.csv with the columns file,label.",
    });
  }
  for (let i = 0; i < dataset.length; i++) {
    const label = dataset.label(i);
    if (label >= 0 && label < classes) continue;
    const id = dataset.id(i);
    const offByOne = label === classes;
    throw new DataError("E5004", `data: "${baseName(id)}" has label ${label}, the model has classes 0-${classes - 1}`, {
      file: id,
      expected: `0-${classes - 1}`,
      actual: label,
      hint: offByOne
        ? "The labels seem to count from 1; they must start at 0."
        : "Check that the labels belong to this model, and their order.",
    });
  }
}
