import { baseName, type DataFile, extensionOf } from "../../data/data-file.js";
import { type Dataset, subset } from "../../data/index.js";
import { DataError } from "../../errors.js";
import type { TaskName } from "../table.js";
import { TASKS } from "../table.js";
import { readCoco } from "./coco.js";
import { broken, type LabelledSample, type LabelledSet, stemOf } from "./labelled-set.js";
import { readMasks } from "./masks.js";
import { readNumbers, readTexts } from "./tables.js";
import { readVoc } from "./voc-xml.js";
import { readYolo } from "./yolo-text.js";

/** Labels of a task among files, `named` alone where a person did; the likeliest first. Undefined: there are none. */
export async function readTaskLabels(
  task: TaskName,
  files: readonly DataFile[],
  named?: string,
): Promise<LabelledSet | undefined> {
  const main = named === undefined ? undefined : files.find(({ path }) => path === named);
  // A data.yaml names the classes of the text files around it; any other file is all there is.
  const chosen = main && !["yaml", "yml"].includes(extensionOf(main.path)) ? [main] : files;
  const ofType = (type: string) => chosen.filter(({ path }) => extensionOf(path) === type);
  switch (TASKS[task].head) {
    case "objects":
    case "points": {
      const json = ofType("json");
      const coco = json.find(({ path }) => /annotation|instances|labels|coco/i.test(baseName(path))) ?? json[0];
      return coco ? readCoco(coco) : ((await readVoc(chosen)) ?? readYolo(chosen));
    }
    case "mask":
      return readMasks(chosen);
    default: {
      const table = main ?? ofType("csv").find(({ path }) => baseName(path) === "labels.csv");
      if (!table) return undefined;
      return TASKS[task].head === "text" ? readTexts(table) : readNumbers(table);
    }
  }
}

/**
 * The samples that labels speak of, with what they say, and a sentence for what has no counterpart: images without labels are left out.
 * @throws {DataError} E5004 no image has labels.
 */
export function withLabels(dataset: Dataset, labels: LabelledSet): { dataset: Dataset; notes: string[] } {
  const byName = new Map<string, number>();
  for (let i = 0; i < dataset.length; i++) {
    const id = dataset.id(i);
    byName.set(id, i);
    for (const name of [baseName(id), stemOf(id)]) if (!byName.has(name)) byName.set(name, i);
  }
  const missing: string[] = [];
  const truths = new Map<number, LabelledSample>();
  for (const [name, truth] of labels.samples) {
    const index = byName.get(name) ?? byName.get(baseName(name));
    if (index === undefined) missing.push(name);
    else truths.set(index, truth);
  }
  if (truths.size === 0 && missing.length > 0) {
    throw broken(
      labels.file,
      undefined,
      `names ${missing.length} images, none of which is there (${missing[0]})`,
      "File names in the labels must be those of the images.",
    );
  }
  const indices = [...truths.keys()].sort((a, b) => a - b);
  const chosen = subset(dataset, indices);
  const left = dataset.length - indices.length;
  const notes = [
    ...(left > 0 ? [`${left} images are not in ${labels.file} and were left out`] : []),
    ...(missing.length > 0 ? [`${missing.length} images of ${labels.file} are not there (${missing[0]})`] : []),
  ];
  return {
    notes,
    dataset: {
      ...chosen,
      ...(labels.names && { classNames: labels.names }),
      async truth(index) {
        const truth = truths.get(indices[index]!)!;
        if (typeof truth !== "function") return truth;
        const placement = await chosen.placement?.(index);
        if (placement) return truth(placement);
        throw new DataError("E5004", `labels: ${labels.format} needs images, "${chosen.id(index)}" is none`, {
          file: labels.file,
        });
      },
    },
  };
}
