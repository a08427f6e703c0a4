import { OptionsError } from "../errors.js";
import { createRandom } from "../math/random.js";
import type { Dataset } from "./dataset.js";
import { elementCount, imageTarget, type ModelInput } from "./input.js";
import { channelScaling, type PreprocessOptions } from "./preprocess.js";

/** Values of {@link randomDataset}: uniform in [min, max). */
export interface RandomRange {
  /** Default: 0. */
  readonly min?: number;
  /** Default: 1. */
  readonly max?: number;
}

/**
 * `samples` samples of independent numbers, uniform in [min, max), marked `random`. Sample i depends on the seed and i
 * alone. Ranges measured on it say little about real images: whoever uses it must have typed so.
 *
 * @throws {OptionsError} E2002 samples, seed or range are not usable numbers.
 */
export function randomDataset(
  shape: readonly number[],
  samples: number,
  seed: number,
  { min = 0, max = 1 }: RandomRange = {},
): Dataset {
  if (!(Number.isInteger(samples) && samples >= 1)) {
    throw new OptionsError("E2002", `data: invalid samples ${samples}, expected a positive integer`, {
      actual: samples,
    });
  }
  if (!Number.isSafeInteger(seed)) throw new OptionsError("E2002", `data: invalid seed ${seed}, expected an integer`);
  if (!(Number.isFinite(min) && Number.isFinite(max) && min < max)) {
    throw new OptionsError("E2002", `data: invalid random range ${min} to ${max}, expected min < max`);
  }
  const size = elementCount(shape);
  return {
    length: samples,
    shape: [...shape],
    random: true,
    id: (index) => `random[${index}]`,
    fill(index, out, offset) {
      const random = createRandom(seed, index);
      for (let i = 0; i < size; i++) out[offset + i] = min + (max - min) * random.uniform();
    },
  };
}

/** Range of random input: what pixels 0–255 become under the preset, over all channels; 0–1 for inputs that are no image. */
export function randomRange(input: ModelInput, preprocess: PreprocessOptions | undefined): Required<RandomRange> {
  const target = imageTarget(input);
  if (!target || !preprocess) return { min: 0, max: 1 };
  const { mean, std } = channelScaling(preprocess, target.channels);
  return {
    min: Math.min(...mean.map((m, c) => (0 - m) / std[c]!)),
    max: Math.max(...mean.map((m, c) => (255 - m) / std[c]!)),
  };
}
