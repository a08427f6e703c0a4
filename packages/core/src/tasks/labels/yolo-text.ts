import { LineCounter, parseDocument } from "yaml";
import { baseName, type DataFile, extensionOf } from "../../data/data-file.js";
import type { LabelledObject } from "../../data/index.js";
import { readText } from "../../data/text.js";
import { broken, type LabelledSet, stemOf } from "./labelled-set.js";

const HINT = "Every line is: class, then centre x, centre y, width and height in parts of the image.";
/** Numbers of a point of a pose: x, y, visibility. */
const POINT = 3;

/** Text files of YOLO, one an image: class and box a line, or class, box and points; names of classes from a data.yaml. */
export async function readYolo(files: readonly DataFile[]): Promise<LabelledSet | undefined> {
  const texts = files.filter(
    ({ path }) => extensionOf(path) === "txt" && !/^(classes|readme|train|val|test)\b/i.test(baseName(path)),
  );
  if (texts.length === 0) return undefined;
  const names = await namesOf(files);
  const samples = new Map<
    string,
    (size: { width: number; height: number }) => Promise<{ objects: LabelledObject[] }>
  >();
  for (const file of texts) {
    const rows = rowsOf(await readText(file), file.path, names?.length);
    samples.set(stemOf(file.path), async (size) => ({ objects: rows.map((row) => objectOf(row, size)) }));
  }
  return { format: "YOLO text", file: texts[0]!.path, samples, ...(names && { names }) };
}

function rowsOf(text: string, path: string, classes: number | undefined): number[][] {
  return text.split(/\r?\n/).flatMap((line, i) => {
    const words = line.trim().split(/\s+/);
    if (words[0] === "") return [];
    const row = words.map(Number);
    const fail = (problem: string) => broken(path, i + 1, problem, HINT);
    if (row.some((value) => !Number.isFinite(value))) throw fail(`"${line.trim()}" is not all numbers`);
    const points = row.length - 5;
    if (points < 0 || points % POINT !== 0) throw fail(`${row.length} numbers, expected 5, or 5 and ${POINT} a point`);
    const [name] = row as [number];
    if (!Number.isInteger(name) || name < 0) throw fail(`class ${name} is no whole number from 0`);
    if (classes !== undefined && name >= classes) throw fail(`class ${name}, data.yaml names ${classes}`);
    const outside = row.slice(1, 5).find((value) => value < 0 || value > 1);
    if (outside !== undefined) throw fail(`${outside} is no part of the image, 0 to 1`);
    return [row];
  });
}

function objectOf(row: readonly number[], { width, height }: { width: number; height: number }): LabelledObject {
  const [name, x, y, w, h] = row as [number, number, number, number, number];
  const points = row
    .slice(5)
    .map((value, i) => (i % POINT === 0 ? value * width : i % POINT === 1 ? value * height : value));
  return {
    class: name,
    box: [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height],
    ...(points.length > 0 && { keypoints: points }),
  };
}

/** `names` of data.yaml, a list or a map from number to name; or the lines of classes.txt. */
async function namesOf(files: readonly DataFile[]): Promise<string[] | undefined> {
  const list = files.find(({ path }) => baseName(path).toLowerCase() === "classes.txt");
  const yaml = files.find(({ path }) => ["yaml", "yml"].includes(extensionOf(path)));
  if (yaml) return yamlNames(await readText(yaml), yaml.path);
  if (!list) return undefined;
  return new TextDecoder()
    .decode(await list.read())
    .trim()
    .split(/\r?\n/);
}

function yamlNames(text: string, path: string): string[] {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter });
  const [error] = document.errors;
  if (error) throw broken(path, error.linePos?.[0].line, error.message.split("\n")[0]!, "Correct the YAML.");
  const names = (document.toJS() as { names?: unknown } | null)?.names;
  if (Array.isArray(names)) return names.map(String);
  if (names && typeof names === "object") {
    const entries = Object.entries(names).sort(([a], [b]) => Number(a) - Number(b));
    if (entries.every(([index], i) => Number(index) === i)) return entries.map(([, name]) => String(name));
  }
  throw broken(path, undefined, "has no names by class", "Write names as a list, or as a map from 0 on.");
}
