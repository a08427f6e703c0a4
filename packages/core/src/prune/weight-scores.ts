import type { Tensor } from "../graph/index.js";
import { createRandom } from "../math/index.js";
import type { PrunableParameter } from "./prunable.js";
import type { Scores } from "./ranking.js";

/** Values of parameters by name, masked ones 0, as a scorer reads them. */
export type ParameterValues = ReadonlyMap<string, Float32Array>;

/** Scores parameters; opened once, asked at every iteration. */
export interface Scorer {
  score(values: ParameterValues): Promise<Scores>;
  dispose(): Promise<void>;
}

/** |w| (Han et al. 2015). */
export function magnitudeScores(values: ParameterValues): Scores {
  return new Map(
    [...values].map(([name, own]) => {
      const scores = new Float64Array(own.length);
      for (let i = 0; i < own.length; i++) scores[i] = Math.abs(own[i]!);
      return [name, scores] as const;
    }),
  );
}

/**
 * Uniform on (0, 1], one stream a parameter, so that a parameter's draw does not depend on the others; 0 for what is
 * pruned already, so that iterations are nested.
 */
export function randomScores(
  parameters: readonly PrunableParameter[],
  masks: ReadonlyMap<string, Float32Array>,
  seed: number,
): Scores {
  return new Map(
    parameters.map(({ name, size }, stream) => {
      const random = createRandom(seed, stream);
      const mask = masks.get(name);
      const scores = new Float64Array(size);
      for (let i = 0; i < size; i++) {
        const score = 1 - random.uniform();
        if (mask?.[i] !== 0) scores[i] = score;
      }
      return [name, scores] as const;
    }),
  );
}

/** Values where the mask keeps them, exactly +0 elsewhere. */
export function masked(values: Float32Array, mask: ArrayLike<number>): Float32Array {
  const result = new Float32Array(values.length);
  // A loop: this runs over millions of weights at every iteration.
  for (let i = 0; i < result.length; i++) if (mask[i] !== 0) result[i] = values[i]!;
  return result;
}

/** {@link masked} for every parameter that has a mask. */
export function maskedValues(
  values: ReadonlyMap<string, Float32Array>,
  masks: ReadonlyMap<string, Float32Array>,
): Map<string, Float32Array> {
  return new Map(
    [...values].map(([name, own]) => {
      const mask = masks.get(name);
      return [name, mask ? masked(own, mask) : own] as const;
    }),
  );
}

export function floatsIn(tensor: Tensor): Float32Array {
  return tensor.array() as Float32Array;
}
