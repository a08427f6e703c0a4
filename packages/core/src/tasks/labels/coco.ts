import type { DataFile } from "../../data/data-file.js";
import type { LabelledObject } from "../../data/index.js";
import { readText } from "../../data/text.js";
import { broken, type LabelledSet, lineAt } from "./labelled-set.js";

const HINT =
  "COCO JSON has images {id, file_name, width, height}, categories {id, name} and annotations {image_id, category_id, bbox}.";

interface Coco {
  readonly images: readonly Record<string, unknown>[];
  readonly categories: readonly Record<string, unknown>[];
  readonly annotations: readonly Record<string, unknown>[];
}

/** Objects of COCO's JSON, keypoints where it has them. Classes are the categories by rising id, as COCO's own tools number them. */
export async function readCoco(file: DataFile): Promise<LabelledSet> {
  const text = await readText(file);
  const { images, categories, annotations } = parse(text, file.path);
  // Where an entry stands, for messages: the text is searched only then.
  const fail = (list: keyof Coco, index: number, problem: string) =>
    broken(file.path, lineOfEntry(text, list, index), `${list}[${index}] ${problem}`, HINT);
  const sorted = categories.map(({ id }) => id as number).sort((a, b) => a - b);
  const classOf = new Map(sorted.map((id, index) => [id, index]));
  const names = sorted.map((id) => String(categories.find((one) => one.id === id)!.name ?? id));
  const objects = new Map<unknown, LabelledObject[]>();
  images.forEach(({ id, file_name: name }, i) => {
    if (typeof name !== "string") throw fail("images", i, "has no file_name");
    if (objects.has(id)) throw fail("images", i, `has the id ${String(id)} of an earlier one`);
    objects.set(id, []);
  });
  annotations.forEach((one, i) => {
    const own = objects.get(one.image_id);
    if (!own) throw fail("annotations", i, `is of image ${String(one.image_id)}, which images does not list`);
    const index = classOf.get(one.category_id as number);
    if (index === undefined)
      throw fail("annotations", i, `has category ${String(one.category_id)}, which categories does not list`);
    const { bbox, keypoints } = one;
    if (!areNumbers(bbox, 4) || bbox[2]! < 0 || bbox[3]! < 0)
      throw fail("annotations", i, "has no bbox of [left, top, width, height]");
    if (keypoints !== undefined && (!areNumbers(keypoints) || keypoints.length % 3 !== 0)) {
      throw fail("annotations", i, "has keypoints that are not x, y, visibility by point");
    }
    own.push({
      class: index,
      box: bbox as unknown as LabelledObject["box"],
      ...(typeof one.area === "number" && { area: one.area }),
      ...((one.iscrowd === 1 || one.iscrowd === true) && { crowd: true }),
      ...(keypoints && { keypoints, ...(one.num_keypoints === 0 && { ignore: true }) }),
    });
  });
  const samples = new Map(images.map(({ id, file_name: name }) => [name as string, { objects: objects.get(id)! }]));
  return { format: "COCO JSON", file: file.path, samples, names };
}

function parse(text: string, path: string): Coco {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const position = /position (\d+)/.exec(String(error))?.[1];
    const line = position === undefined ? undefined : lineAt(text, Number(position));
    throw broken(path, line, `is no JSON: ${(error as Error).message.split("\n")[0]}`, "Export the labels again.");
  }
  const found = value as Partial<Coco> | null;
  for (const key of ["images", "categories", "annotations"] as const) {
    if (!Array.isArray(found?.[key])) throw broken(path, undefined, `has no list "${key}"`, HINT);
  }
  return found as Coco;
}

function areNumbers(value: unknown, count?: number): value is readonly number[] {
  return (
    Array.isArray(value) &&
    (count === undefined || value.length === count) &&
    value.every((one) => Number.isFinite(one))
  );
}

/** Line on which an entry of a top-level list begins. */
function lineOfEntry(text: string, list: string, index: number): number | undefined {
  const start = new RegExp(`"${list}"\\s*:\\s*\\[`).exec(text);
  if (!start) return undefined;
  let depth = 0;
  let entry = -1;
  for (let at = start.index + start[0].length; at < text.length; at++) {
    const sign = text[at];
    if (sign === '"') {
      for (at++; at < text.length && text[at] !== '"'; at++) if (text[at] === "\\") at++;
    } else if (sign === "{" || sign === "[") {
      if (depth++ === 0 && ++entry === index) return lineAt(text, at);
    } else if (sign === "}" || sign === "]") {
      if (--depth < 0) return undefined;
    }
  }
  return undefined;
}
