import type { DataFile } from "./data-file.js";
import type { Dataset } from "./dataset.js";
import { fileError } from "./errors.js";
import { type ImageItem, imageDataset } from "./image-dataset.js";
import { type ClassList, classesOfFolders, readClasses, readLabels } from "./labels.js";
import type { OpenedPart, PlainOptions } from "./open-types.js";

/** Length of the folder path that all images share, with its slash: `photos/` of `photos/cat/1.jpg` and `photos/dog/2.jpg`. */
function sharedRoot(images: readonly DataFile[], keep: (folder: string) => boolean): number {
  const first = images[0]!.path;
  let root = 0;
  for (;;) {
    const slash = first.indexOf("/", root);
    if (slash < 0) return root;
    const prefix = first.slice(0, slash + 1);
    if (!images.every((file) => file.path.startsWith(prefix)) || keep(first.slice(root, slash))) return root;
    root = slash + 1;
  }
}

/** A table at the top of the data: beside the images' shared folder or at any level above it. */
function tableFile(files: readonly DataFile[], name: string, root: string): DataFile | undefined {
  return files.find((file) => file.path.endsWith(name) && root.startsWith(file.path.slice(0, -name.length)));
}

async function listed(
  images: readonly DataFile[],
  files: readonly DataFile[],
  tableFile: DataFile,
  classes: ClassList | undefined,
  mustCover: boolean,
): Promise<{ items: ImageItem[]; classes?: ClassList; notes: string[] }> {
  const table = await readLabels(tableFile, { ...(classes && { classes }), mustCover });
  const folder = tableFile.path.slice(0, tableFile.path.lastIndexOf("/") + 1);
  const byPath = new Map(files.map((file) => [file.path, file]));
  const missing: { file: string; line: number }[] = [];
  const items: ImageItem[] = [];
  for (const [row, label] of table.labels.entries()) {
    const file = table.file(row);
    // Paths count from the table's folder, or from the root of the data when the table lies elsewhere.
    const found = byPath.get(folder + file) ?? byPath.get(file);
    if (found) items.push({ file: found, label });
    else missing.push({ file, line: table.line(row) });
  }
  if (missing.length > 0) {
    const more = missing.length > 1 ? `, and ${missing.length - 1} more` : "";
    throw fileError(
      "E5004",
      tableFile.path,
      `line ${missing[0]!.line}: file "${missing[0]!.file}" is not there${more}`,
      "Paths in the table count from the folder it lies in; remove lines of files that are gone.",
      { actual: missing.slice(0, 5).map((entry) => entry.file) },
    );
  }
  const used = new Set(items.map((item) => item.file));
  const unused = images.filter((file) => !used.has(file)).length;
  const notes = unused > 0 ? [`${unused} images are not in ${tableFile.path} and were left out`] : [];
  return { items, notes, ...(table.classes && { classes: table.classes }) };
}

/** Names that people give to sets, not to classes. */
const SET_NAME = /^(train|training|val|valid|validation|test|testing|calib|calibration)$/i;

/** Throws where folders are whole sets: taking them for classes would go unnoticed. */
function requireClasses(
  folders: readonly string[],
  files: readonly DataFile[],
  own: DataFile | undefined,
  known?: ClassList,
) {
  const table = files.find((file) => /\/labels\.csv$/.test(file.path));
  if (table || (folders.length > 1 && folders.every((folder) => SET_NAME.test(folder)))) {
    throw fileError(
      "E5001",
      table?.path ?? folders[0]!,
      `belongs to one of several sets (${folders.slice(0, 4).join(", ")})`,
      "Name the folder of one set, or take all images without labels (--labels none).",
    );
  }
  const stranger = own && folders.find((folder) => known?.indexOf(folder) === undefined);
  if (stranger !== undefined && folders.some((folder) => !/^\d+$/.test(folder))) {
    const hint = "Class folders bear the names or ids in classes.csv; correct one of them, or remove classes.csv.";
    throw fileError("E5004", own!.path, `does not list the class folder "${stranger}"`, hint, { actual: stranger });
  }
}

function byFolder(images: readonly DataFile[], folderOf: (file: DataFile) => string, known: ClassList | undefined) {
  const classes = classesOfFolders([...new Set(images.map(folderOf))], known);
  const items = images.map((file) => ({ file, label: classes.indexOf(folderOf(file))! }));
  // In order of class, files of a class in order of name (sorted before): an even spread takes every class alike.
  items.sort((a, b) => a.label - b.label);
  return { items, classes };
}

/**
 * A dataset of image files: listed in labels.csv, or in one folder a class, or without labels.
 *
 * @param files Everything there is, tables included.
 */
export async function openImages(
  images: readonly DataFile[],
  files: readonly DataFile[],
  options: PlainOptions,
): Promise<OpenedPart> {
  const { input, decode, preprocess, labels = "auto" } = options;
  const deepest = images[0]!.path.slice(
    0,
    sharedRoot(images, () => false),
  );
  const own = tableFile(files, "classes.csv", deepest);
  // A list from outside is a guess: unreadable, it is as if it were not there.
  const known = own ? await readClasses(own) : await readNearby(options.nearbyClasses);
  const part = (items: readonly ImageItem[], format: string, notes: string[], classes?: ClassList): OpenedPart => {
    const plain = imageDataset(items, input, decode, preprocess);
    const dataset: Dataset = plain.label && classes ? { ...plain, classNames: classes.names } : plain;
    return { dataset, format, preprocessed: true, notes };
  };

  const table = typeof labels === "object" ? labels : labels === "auto" && tableFile(files, "labels.csv", deepest);
  if (table) {
    const { items, classes, notes } = await listed(images, files, table, known, own !== undefined);
    return part(items, "labels.csv", notes, classes);
  }
  const plain = images.map((file) => ({ file }));
  if (labels === "none") return part(plain, "images", []);
  // One folder around everything is packaging, not a class; unless it was asked for, or the class list names it.
  const isClass = (folder: string) => known?.indexOf(folder) !== undefined;
  const root = labels === "folders" ? outerRoot(images) : sharedRoot(images, isClass);
  const loose = images.filter((file) => file.path.indexOf("/", root) < 0);
  if (loose.length === images.length && labels === "auto") return part(plain, "images", []);
  if (loose.length > 0) {
    throw fileError(
      "E5004",
      loose[0]!.path,
      `lies outside the class folders, as ${loose.length} of ${images.length} images do`,
      "Move it into the folder of its class, or take the images without labels (--labels none).",
    );
  }
  const folderOf = (file: DataFile) => file.path.slice(root, file.path.indexOf("/", root));
  if (labels === "auto") requireClasses([...new Set(images.map(folderOf))], files, own, known);
  const { items, classes } = byFolder(images, folderOf, known);
  return part(items, "class folders", [], classes);
}

async function readNearby(file: DataFile | undefined): Promise<ClassList | undefined> {
  return file && readClasses(file).catch(() => undefined);
}

/** As {@link sharedRoot}, but always leaves one folder to be the class. */
function outerRoot(images: readonly DataFile[]): number {
  const shared = sharedRoot(images, () => false);
  const deeper = images.every((file) => file.path.indexOf("/", shared) >= 0);
  return deeper ? shared : images[0]!.path.lastIndexOf("/", shared - 2) + 1;
}
