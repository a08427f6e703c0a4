import { OptionsError } from "../errors.js";
import type { ArraySource, Values } from "./array-source.js";
import type { Dataset } from "./dataset.js";
import { fileError } from "./errors.js";
import type { DecodedImage } from "./image.js";
import { elementCount, imageTarget, type ModelInput } from "./input.js";
import { channelScaling, createPreprocessor, type PreprocessOptions } from "./preprocess.js";

const withoutOnes = (shape: readonly number[]) => shape.filter((size) => size !== 1).join(",");

/** Same shape but for dimensions of size 1, or flattened to one dimension. */
function fits(shape: readonly number[], input: readonly number[]): boolean {
  if (withoutOnes(shape) === withoutOnes(input)) return true;
  return input.filter((size) => size !== 1).length === 1 && elementCount(shape) === elementCount(input);
}

/** How the pixels of one sample lie in the array: interleaved, or one plane a channel. */
interface PixelShape {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly planar: boolean;
}

function pixelShape(shape: readonly number[]): PixelShape | undefined {
  const [a, b, c] = shape as [number, number, number];
  if (shape.length === 2) return { height: a, width: b, channels: 1, planar: false };
  if (shape.length !== 3) return undefined;
  if (c === 1 || c === 3) return { height: a, width: b, channels: c, planar: false };
  if (a === 1 || a === 3) return { height: b, width: c, channels: a, planar: true };
  return undefined;
}

function interleave(values: Uint8Array, { width, height, channels, planar }: PixelShape): DecodedImage {
  if (!planar || channels === 1) return { width, height, channels, data: values };
  const area = width * height;
  const data = new Uint8Array(values.length);
  for (let i = 0; i < data.length; i++) data[i] = values[(i % channels) * area + Math.floor(i / channels)]!;
  return { width, height, channels, data };
}

/** Copies `values` to `out` as float32, (x − mean) / std; refuses NaN and infinity, which would poison every statistic. */
function copyNumbers(values: Values, out: Float32Array, offset: number, mean: number, std: number, id: string): void {
  for (let i = 0; i < values.length; i++) {
    const value = Math.fround((values[i]! - mean) / std);
    if (!Number.isFinite(value)) {
      const what = Number.isNaN(values[i]!) ? "NaN" : `${values[i]} (not finite as float32)`;
      const hint = "Remove the sample, or mend what wrote the file.";
      throw fileError("E5002", id, `contains ${what} at element ${i}`, hint, { actual: what });
    }
    out[offset + i] = value;
  }
}

/** A dataset made of an array, and whether the preset was applied to it. */
export interface ArrayDataset extends Dataset {
  readonly preprocessed: boolean;
}

/**
 * Samples of an array. uint8 pixels of an image input go through the preprocessor like any image, at whatever size;
 * uint8 for an input that is no image is only scaled, (x − mean) / std. Every other type is taken as it is: it must
 * have the input's shape, up to dimensions of size 1 and flattening to a vector.
 *
 * @param single The whole array is one sample instead of a list of them.
 * @throws {DataError} E5003 the shape does not fit; when a sample is read: E5002 NaN or infinity in it.
 */
export function arrayDataset(
  source: ArraySource,
  input: ModelInput,
  preprocess: PreprocessOptions = {},
  labels?: readonly number[],
): ArrayDataset {
  const { file, dtype, shape } = source;
  const count = shape[0] ?? 0;
  const sampleShape = shape.slice(1);
  const target = dtype === "uint8" ? imageTarget(input) : undefined;
  const pixels = target && (target.channels === 1 || target.channels === 3) ? pixelShape(sampleShape) : undefined;
  const id = (index: number) => `${file}[${index}]`;
  let write: (values: Values, index: number, out: Float32Array, offset: number) => void;
  if (target && pixels) {
    const toSample = createPreprocessor(preprocess, target);
    write = (values, index, out, offset) => {
      toSample(interleave(values as Uint8Array, pixels), id(index), out, offset);
    };
  } else {
    if (!fits(sampleShape, input.shape)) {
      const hint =
        elementCount(sampleShape) === elementCount(input.shape)
          ? "The sizes are in another order: transpose the array before saving it."
          : "Save one array whose first dimension counts the samples.";
      const problem = `has samples of shape [${sampleShape.join(", ")}], the model's input is [${input.shape.join(", ")}]`;
      throw fileError("E5003", file, problem, hint, { expected: [...input.shape], actual: [...sampleShape] });
    }
    const scaled = dtype === "uint8";
    if (scaled && (preprocess.resize !== undefined || preprocess.crop !== undefined)) {
      throw new OptionsError("E2002", `data: resize and crop need images, "${file}" has other data`);
    }
    const scaling = scaled ? channelScaling({ ...preprocess, colorOrder: "gray" }, 1) : { mean: [0], std: [1] };
    write = (values, index, out, offset) => {
      copyNumbers(values, out, offset, scaling.mean[0]!, scaling.std[0]!, id(index));
    };
  }
  return {
    length: count,
    shape: [...input.shape],
    preprocessed: dtype === "uint8",
    id,
    fill(index, out, offset) {
      const values = source.sample(index);
      if (values instanceof Promise) return values.then((read) => write(read, index, out, offset));
      write(values, index, out, offset);
    },
    ...(labels && { label: (index: number) => labels[index]! }),
  };
}

/**
 * Reads an array's first dimension as samples, unless the whole array is one: its shape is the input's, or it is one
 * interleaved image.
 */
export function asSamples(source: ArraySource, input: ModelInput): ArraySource {
  const { shape, dtype } = source;
  const exact = shape.length === input.shape.length && shape.every((size, i) => size === input.shape[i]);
  const oneImage = dtype === "uint8" && shape.length === 3 && shape[2] === 3 && imageTarget(input) !== undefined;
  if (!exact && !oneImage && shape.length > 1) return source;
  if (shape.length === 1 && !fits(shape, input.shape)) return source;
  return wholeAsSample(source);
}

function wholeAsSample(source: ArraySource): ArraySource {
  const count = source.shape[0] ?? 1;
  return {
    ...source,
    shape: [1, ...source.shape],
    async sample() {
      const parts: Values[] = [];
      for (let i = 0; i < count; i++) parts.push(await source.sample(i));
      const length = parts.reduce((sum, part) => sum + part.length, 0);
      const all = source.dtype === "uint8" ? new Uint8Array(length) : new Float64Array(length);
      let at = 0;
      for (const part of parts) {
        all.set(part, at);
        at += part.length;
      }
      return all;
    },
  };
}
