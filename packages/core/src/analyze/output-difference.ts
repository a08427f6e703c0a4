import { argmax, sqnrOfPowers, toDb } from "../math/index.js";

/** How far one network's outputs are from a reference's. */
export interface OutputDifferenceSummary {
  readonly samples: number;
  /** E[Y²] / E[(Y − Ŷ)²] over all output values (Meller et al. 2019, eq. (8)) in dB; Infinity when nothing differs. */
  readonly sqnrDb: number;
  /** Mean of (Y − Ŷ)². */
  readonly mse: number;
  /** Largest |Y − Ŷ|. */
  readonly maxDifference: number;
  /** Share of samples whose largest output value is the same one. */
  readonly agreement: number;
}

/** Compares outputs sample by sample; keeps sums only, so memory does not grow with the data. */
export class OutputDifference {
  #samples = 0;
  #values = 0;
  #signal = 0;
  #noise = 0;
  #largest = 0;
  #agreeing = 0;

  /** Adds one sample, the `size` values from `at` in both arrays; returns its signal and noise, sums of squares, and whether the largest is the same. */
  add(
    reference: ArrayLike<number>,
    other: ArrayLike<number>,
    at: number,
    size: number,
  ): { signal: number; noise: number; same: boolean } {
    let signal = 0;
    let noise = 0;
    for (let i = at; i < at + size; i++) {
      const y = reference[i]!;
      const difference = y - other[i]!;
      signal += y * y;
      noise += difference * difference;
      const magnitude = Math.abs(difference);
      if (magnitude > this.#largest) this.#largest = magnitude;
    }
    this.#samples++;
    this.#values += size;
    this.#signal += signal;
    this.#noise += noise;
    const same = argmax(reference, at, at + size) === argmax(other, at, at + size);
    if (same) this.#agreeing++;
    return { signal, noise, same };
  }

  summary(): OutputDifferenceSummary {
    return {
      samples: this.#samples,
      sqnrDb: toDb(sqnrOfPowers(this.#signal, this.#noise)),
      mse: this.#noise / this.#values,
      maxDifference: this.#largest,
      agreement: this.#agreeing / this.#samples,
    };
  }
}
