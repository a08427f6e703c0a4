import { fileError } from "./errors.js";
import type { PreprocessOptions } from "./preprocess.js";

/** The name of the file that Hugging Face saves beside a model of images. */
export const PREPROCESSOR_CONFIG = "preprocessor_config.json";

/**
 * Reads a `preprocessor_config.json`: rescaling and normalization become mean and std in pixel units, sizes become resize and crop.
 *
 * @throws {DataError} E5002 the text is no such file.
 * @example readPreprocessorConfig('{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "size": 224}') // mean 127.5, std 127.5, resize 224
 */
export function readPreprocessorConfig(text: string, file = PREPROCESSOR_CONFIG): PreprocessOptions {
  const wrong = (problem: string, cause?: unknown) =>
    fileError("E5002", file, problem, "Mend the file, or say the preprocessing yourself: --preset.", {}, cause);
  let config: Record<string, unknown>;
  try {
    config = JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw wrong("is no JSON", error);
  }
  if (typeof config !== "object" || config === null || Array.isArray(config)) throw wrong("holds no settings");
  const numbers = (key: string): number[] | undefined => {
    const value = config[key];
    if (value === undefined || value === null) return undefined;
    const list = [value].flat();
    if (list.length > 0 && list.every((one) => typeof one === "number" && Number.isFinite(one)))
      return list as number[];
    throw wrong(`has a ${key} that is no list of numbers`);
  };
  const factor = config.do_rescale === false ? 1 : (numbers("rescale_factor")?.[0] ?? 1 / 255);
  const normalizes = config.do_normalize !== false;
  const mean = (normalizes && numbers("image_mean")) || [0];
  const std = (normalizes && numbers("image_std")) || [1];
  if (!(factor > 0) || std.some((value) => value <= 0)) throw wrong("divides by zero or less");
  const inPixels = (values: number[]) => {
    const scaled = values.map((value) => value / factor);
    return scaled.every((value) => value === scaled[0]) ? scaled[0]! : scaled;
  };
  const resize = config.do_resize === false ? undefined : sides(config.size);
  const crop = config.do_center_crop === true ? sides(config.crop_size) : undefined;
  return {
    mean: inPixels(mean),
    std: inPixels(std),
    ...(resize !== undefined && { resize }),
    ...(crop !== undefined && { crop: typeof crop === "number" ? [crop, crop] : crop }),
  };
}

/** A number or `shortest_edge` is the shorter side; height and width are both. */
function sides(size: unknown): number | readonly [number, number] | undefined {
  const isSide = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 1;
  if (isSide(size)) return size;
  if (typeof size !== "object" || size === null) return undefined;
  const { height, width, shortest_edge: shorter } = size as Record<string, unknown>;
  if (isSide(height) && isSide(width)) return [height, width];
  return isSide(shorter) ? shorter : undefined;
}
