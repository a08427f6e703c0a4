import { DataError, OptionsError } from "../errors.js";
import type { ImageLayout, ImageTarget } from "./preprocess.js";

/** The model input that samples are made for. */
export interface ModelInput {
  /** Shape of one sample, without the batch dimension: [3, 224, 224], [640]. 0: left open, the data say it. */
  readonly shape: readonly number[];
  /** Where the channels are. Default: the first or the last dimension, whichever is 1 or 3 (first if both are). */
  readonly layout?: ImageLayout;
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Throws {@link DataError} E5003 when a size of the input is unknown or not positive. */
export function requireInputShape(input: ModelInput): void {
  if (input.shape.every((size) => Number.isInteger(size) && size >= 1)) return;
  const written = input.shape.map((size) => size || "?").join(", ");
  const image = input.shape.length === 3 || input.shape.length === 2;
  throw new DataError("E5003", `data: the model's input shape [${written}] has unknown sizes`, {
    actual: [...input.shape],
    hint: image
      ? "The model leaves sizes open: say height and width with --resize HxW, or give arrays that have them."
      : "The model leaves sizes open: give arrays that have them, or say them with --size NAME=N.",
  });
}

/**
 * The image that fits the input, or undefined where the input is no image: it needs three dimensions of which the
 * channels' one is 1 or 3. Two dimensions [height, width] are a grey image.
 */
export function imageTarget(input: ModelInput): ImageTarget | undefined {
  const { shape } = input;
  if (shape.length === 2 && !input.layout) {
    return { channels: 1, height: shape[0]!, width: shape[1]!, layout: "NCHW" };
  }
  if (shape.length !== 3) {
    if (input.layout === undefined) return undefined;
    throw new OptionsError("E2002", `data: layout ${input.layout} needs 3 dimensions, the input has ${shape.length}`);
  }
  const [a, b, c] = shape as [number, number, number];
  const isColor = (size: number) => size === 1 || size === 3;
  const layout = input.layout ?? (isColor(a) ? "NCHW" : isColor(c) ? "NHWC" : undefined);
  if (layout === "NCHW") return { channels: a, height: b, width: c, layout };
  if (layout === "NHWC") return { channels: c, height: a, width: b, layout };
  return undefined;
}
