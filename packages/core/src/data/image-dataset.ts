import { OptionsError } from "../errors.js";
import type { DataFile } from "./data-file.js";
import type { Dataset } from "./dataset.js";
import { fileError } from "./errors.js";
import { type ImagePlacement, placementOf } from "./framing.js";
import type { ImageDecoder } from "./image.js";
import { imageTarget, type ModelInput } from "./input.js";
import { createPreprocessor, type PreprocessOptions } from "./preprocess.js";

/** One image file and its class. */
export interface ImageItem {
  readonly file: DataFile;
  readonly label?: number;
}

/**
 * Images read, decoded and preprocessed when asked for; nothing is kept. Labelled when every item is.
 *
 * @throws {DataError} E5003 the model's input is no image.
 * @throws {OptionsError} E2005 no decoder was injected.
 */
export function imageDataset(
  items: readonly ImageItem[],
  input: ModelInput,
  decode: ImageDecoder | undefined,
  preprocess: PreprocessOptions = {},
): Dataset {
  const target = imageTarget(input);
  const first = items[0]?.file.path ?? "images";
  if (!target) {
    const problem = `is an image, the model's input [${input.shape.join(", ")}] is not`;
    throw fileError("E5003", first, problem, "Give .npy, .npz or .f32 data of the input's shape.", {
      expected: [...input.shape],
    });
  }
  if (!decode) throw new OptionsError("E2005", "data: images need a decoder, none was given", { file: first });
  const toSample = createPreprocessor(preprocess, target);
  const labelled = items.length > 0 && items.every((item) => item.label !== undefined);
  const placements = new Map<number, ImagePlacement>();
  const read = async (index: number) => {
    const { file } = items[index]!;
    const image = await decode(await file.read(), file.path);
    placements.set(index, placementOf(preprocess, target, image));
    return image;
  };
  return {
    length: items.length,
    shape: [...input.shape],
    id: (index) => items[index]!.file.path,
    async fill(index, out, offset) {
      toSample(await read(index), items[index]!.file.path, out, offset);
    },
    async placement(index) {
      if (!placements.has(index)) await read(index);
      return placements.get(index)!;
    },
    ...(labelled && { label: (index: number) => items[index]!.label! }),
  };
}
