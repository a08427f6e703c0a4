import { DataError, OptionsError, rejectUnknownOptions, requireOneOf } from "../errors.js";
import { type FramingOptions, framingOf, IMAGE_FITS, type ImageTarget } from "./framing.js";
import { type DecodedImage, framed, requireImage, toGray, toRgb } from "./image.js";
import { resizeBicubic } from "./resize.js";

/** How pixel values become numbers, in pixel units: (x − mean) / std with x = 0 … 255; three numbers are red, green, blue. */
export const PRESETS = {
  /** torchvision's ImageNet statistics, 0.485 0.456 0.406 and 0.229 0.224 0.225, times 255. */
  imagenet: { mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375] },
  /** −1 … 1, as TensorFlow's MobileNets take it. */
  tf: { mean: [127.5], std: [127.5] },
  /** 0 … 1. */
  "zero-one": { mean: [0], std: [255] },
  /** 0 … 255, untouched. */
  raw: { mean: [0], std: [1] },
} as const satisfies Record<string, { mean: readonly number[]; std: readonly number[] }>;

export { IMAGE_FITS, type ImageFit, type ImageLayout, type ImageTarget } from "./framing.js";

export type PresetName = keyof typeof PRESETS;
export type ColorOrder = "RGB" | "BGR" | "gray";

/** Options for {@link createPreprocessor}. */
export interface PreprocessOptions extends FramingOptions {
  /** Source of mean and std where they are not given. Default: `'raw'`. */
  preset?: PresetName;
  /** Subtracted from a pixel, 0 … 255; one number, or one for each channel in the order of the model's channels. Default: the preset's. */
  mean?: number | readonly number[];
  /** Divides what remains, > 0; one number or one a channel. Default: the preset's. */
  std?: number | readonly number[];
  /** Grey level 0 … 255 of what the image does not cover. Default: 114, as YOLO pads. */
  pad?: number;
  /** Order of the model's channels; `'gray'` makes a model's every channel the image's grey. Default: RGB, or gray for one channel. */
  colorOrder?: ColorOrder;
}

/**
 * One image to one sample, in the target's layout. Writes into `out` at `offset` when given, else into a new array;
 * `file` names the image in messages.
 */
export type Preprocessor = (image: DecodedImage, file?: string, out?: Float32Array, offset?: number) => Float32Array;

const OPTION_NAMES = ["preset", "mean", "std", "resize", "crop", "fit", "pad", "colorOrder"];
const GREY = 114;

/** Mean and std of every channel of the model, in its order. */
export function channelScaling(options: PreprocessOptions, channels: number): { mean: number[]; std: number[] } {
  const preset = options.preset === undefined ? "raw" : options.preset;
  requireOneOf("preprocess", "preset", preset, Object.keys(PRESETS) as PresetName[]);
  const order = options.colorOrder ?? (channels === 1 ? "gray" : "RGB");
  const expand = (name: "mean" | "std"): number[] => {
    const given = options[name];
    // Options may come from a file, so their types are not taken on trust.
    const explicit = given === undefined || Array.isArray(given) ? given : [given as number];
    const values: readonly number[] = explicit ?? PRESETS[preset][name];
    const isWrong = (value: number) => !Number.isFinite(value) || (name === "std" && value <= 0);
    if (values.some(isWrong)) {
      const wrong = JSON.stringify(values.find(isWrong));
      const expected = name === "std" ? "numbers above 0" : "finite numbers";
      throw new OptionsError(
        "E2002",
        `preprocess: invalid ${name} ${wrong}, expected ${expected} in pixel units 0-255`,
      );
    }
    if (values.length === 1) return new Array<number>(channels).fill(values[0]!);
    if (values.length !== channels || (explicit === undefined && order === "gray")) {
      throw new OptionsError(
        "E2002",
        explicit
          ? `preprocess: ${values.length} values of ${name} for an input of ${channels} channel(s), expected 1 or ${channels}`
          : `preprocess: preset '${preset}' has red, green and blue statistics, the input is grey`,
        { expected: channels, actual: values.length, hint: `Give one number, for example ${name} ${values[0]}.` },
      );
    }
    // Presets are per colour; explicit numbers already follow the model's channels.
    return explicit === undefined && order === "BGR" ? [...values].reverse() : [...values];
  };
  return { mean: expand("mean"), std: expand("std") };
}

function sizeOption(name: string, value: number | readonly [number, number] | undefined): [number, number] | undefined {
  if (value === undefined) return undefined;
  const sides = (Array.isArray(value) ? value : [value, value]) as readonly number[];
  if (sides.length !== 2 || sides.some((side) => !Number.isInteger(side) || side < 1 || side > 65_536)) {
    throw new OptionsError("E2002", `preprocess: invalid ${name} ${String(value)}, expected pixels, 1-65536`, {
      actual: value,
      expected: "one integer, or height and width",
    });
  }
  return [sides[0]!, sides[1]!];
}

/**
 * Builds the function from a decoded image to a sample: colour, then resize, then centre crop, then (x − mean) / std.
 *
 * Colour comes first because Pillow pipelines convert before they resize. Arithmetic is float64, rounded once to float32.
 *
 * @throws {OptionsError} E2001, E2002, E2004: an option is unknown or out of range.
 * @throws {DataError} E5003: the input is not an image (channels other than 1 or 3); later, an image that resize and
 * crop do not bring to the input's size.
 * @example const toSample = createPreprocessor({ preset: 'tf' }, { channels: 3, height: 224, width: 224, layout: 'NCHW' });
 */
export function createPreprocessor(options: PreprocessOptions, target: ImageTarget): Preprocessor {
  rejectUnknownOptions("preprocess", options, OPTION_NAMES);
  const { channels, height, width, layout } = target;
  if (channels !== 1 && channels !== 3) {
    throw new DataError("E5003", `preprocess: the model's input has ${channels} channels, images have 1 or 3`, {
      expected: [1, 3],
      actual: channels,
      hint: "Give the data as .npy or .npz arrays of the input's shape.",
    });
  }
  const order = options.colorOrder ?? (channels === 1 ? "gray" : "RGB");
  requireOneOf("preprocess", "colorOrder", order, ["RGB", "BGR", "gray"]);
  if (channels === 1 && order !== "gray") {
    throw new OptionsError("E2002", `preprocess: colorOrder ${order} needs 3 channels, the model's input has 1`);
  }
  sizeOption("resize", options.resize);
  const crop = sizeOption("crop", options.crop);
  if (crop && (crop[0] !== height || crop[1] !== width)) {
    throw new OptionsError(
      "E2002",
      `preprocess: crop ${crop[0]}x${crop[1]} is not the model's input size ${height}x${width} (height x width)`,
    );
  }
  const { fit = "stretch", pad = GREY } = options;
  requireOneOf("preprocess", "fit", fit, IMAGE_FITS);
  if (fit !== "stretch" && (options.resize !== undefined || crop)) {
    throw new OptionsError("E2002", `preprocess: fit ${fit} says the size itself, leave out resize and crop`);
  }
  if (!(pad >= 0 && pad <= 255)) throw new OptionsError("E2002", `preprocess: invalid pad ${pad}, expected 0-255`);
  const { mean, std } = channelScaling(options, channels);
  const tables = mean.map((m, c) => Float32Array.from({ length: 256 }, (_, x) => (x - m) / std[c]!));

  return (image, file = "image", out = new Float32Array(channels * height * width), offset = 0) => {
    requireImage(image, file);
    const { left, top, ...size } = framingOf(options, target, image);
    const resized = resizeBicubic(order === "gray" ? toGray(image) : toRgb(image), size.width, size.height);
    const cropped = crop && resized.width >= width && resized.height >= height;
    const pixels = cropped || fit !== "stretch" ? framed(resized, left, top, target, pad) : resized;
    if (pixels.width !== width || pixels.height !== height) {
      const actual = `${pixels.height}x${pixels.width}`;
      throw new DataError("E5003", `preprocess: "${file}" is ${actual}, the model's input ${height}x${width}`, {
        file,
        expected: [height, width],
        actual: [pixels.height, pixels.width],
        hint: crop
          ? `The image is smaller than the crop: resize first, for example --resize ${Math.max(height, width)}.`
          : `Add --crop ${Math.min(height, width)}, or leave out --resize to scale every image to the input size.`,
      });
    }
    const { data } = pixels;
    const area = width * height;
    const channelStep = layout === "NCHW" ? area : 1;
    const pixelStep = layout === "NCHW" ? 1 : channels;
    for (let c = 0; c < channels; c++) {
      const table = tables[c]!;
      const source = order === "gray" ? 0 : order === "BGR" ? 2 - c : c;
      let to = offset + c * channelStep;
      for (let from = source; from < data.length; from += pixels.channels, to += pixelStep)
        out[to] = table[data[from]!]!;
    }
    return out;
  };
}
