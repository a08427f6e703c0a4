import type { CliNames } from "./cli-line.js";
import type { Recipe } from "./recipe.js";

/** The recipe as a program for Node. */
export function snippet({ data, steps }: Recipe, { model, data: folder, output }: CliNames): string {
  const text = (value: unknown) => JSON.stringify(value);
  return `import { compress, createRunner } from "@equant/core";
import { openDataset, readModel, sharpDecoder } from "@equant/core/node";
import { writeFile } from "node:fs/promises";
import * as ort from "onnxruntime-node";
import sharp from "sharp";

const model = await readModel(${text(model)});
const shape = model.graph.inputs[0].shape.slice(1);
const images = await openDataset(${text(folder)}, {
  input: { shape },
  samples: ${data.samples},
  preprocess: ${text(data.preprocess)},
  decode: sharpDecoder(sharp),
});
const steps = ${JSON.stringify(steps, null, 2)};
const { bytes } = await compress(model, { steps }, { runner: createRunner(ort), data: images });
await writeFile(${text(output)}, bytes);
`;
}
