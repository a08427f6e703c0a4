import { argmax } from "../math/index.js";

/**
 * What can be said in words about an output, by its shape and values:
 * `class`: one vector of scores a sample; `sequence`: one vector of scores a position; `mask`: shares from 0 to 1 over an area; `number`: one
 * number a sample; `exact`: integers or booleans; `values`: anything else, of which only errors are known.
 */
export type OutputKind = "class" | "sequence" | "mask" | "number" | "exact" | "values";

/** How far one network's output is from a reference's. */
export interface OutputDifferenceSummary {
  readonly samples: number;
  readonly kind: OutputKind;
  /**
   * E[Y²] / E[(Y − Ŷ)²] over all output values (Meller et al. 2019, eq. (8)) in dB; Infinity when nothing differs. Values from
   * {@link MASKED} on are masks, not signal: they are left out, unless the other network has no mask there.
   */
  readonly sqnrDb: number;
  /** Mean of (Y − Ŷ)². */
  readonly mse: number;
  /** Largest |Y − Ŷ|. */
  readonly maxDifference: number;
  /** Mean |Y − Ŷ|. */
  readonly meanDifference: number;
  /** Largest minus smallest Y. */
  readonly range: number;
  /**
   * What is the same, 0–1. `class`: samples with the same largest value; `sequence`: positions with it; `mask`: the intersection of what is
   * over ½ as a share of the union; `exact`: equal elements. Null where the output allows no such claim.
   */
  readonly agreement: number | null;
  /** Pearson's correlation of Y and Ŷ; null where one of them is constant. */
  readonly correlation: number | null;
}

/** Magnitudes from here on are what masks are made of (−1e9, −3.4e38, −∞), where the output has smaller values too. */
const MASKED = 1e8;

type Values = ArrayLike<number | bigint>;

/** Compares one output of two networks sample by sample; keeps sums only, so memory does not grow with the data. */
export class OutputDifference {
  #samples = 0;
  #values = 0;
  #signal = 0;
  #noise = 0;
  #masked = { values: 0, signal: 0, noise: 0 };
  #largest = 0;
  #total = 0;
  #low = Number.POSITIVE_INFINITY;
  #high = Number.NEGATIVE_INFINITY;
  #agreeing = 0;
  #positions = 0;
  #samePositions = 0;
  #equal = 0;
  #both = 0;
  #either = 0;
  /** Every vector of scores of a position adds up to 1: what looks like a mask is a softmax. */
  #sumsToOne = true;
  #moments = { y: 0, z: 0, yy: 0, zz: 0, yz: 0 };

  constructor(
    /** Sizes of one sample's output. */
    readonly dims: readonly number[],
    /** Integers and booleans are equal or not. */
    readonly exact = false,
  ) {}

  /** Adds one sample, the `size` values from `at` in both arrays; returns its signal and noise, sums of squares, and whether the largest is the same. */
  add(reference: Values, other: Values, at: number, size: number): { signal: number; noise: number; same: boolean } {
    let [signal, noise] = [0, 0];
    for (let i = at; i < at + size; i++) {
      const y = Number(reference[i]);
      const z = Number(other[i]);
      if (y === z) this.#equal++;
      if (!(Math.abs(y) < MASKED)) {
        this.#addMasked(y, z);
        continue;
      }
      const difference = y === z ? 0 : Math.abs(y - z);
      signal += y * y;
      noise += difference * difference;
      this.#total += difference;
      if (!(difference <= this.#largest))
        this.#largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
      if (y < this.#low) this.#low = y;
      if (y > this.#high) this.#high = y;
      if (y > 0.5 && z > 0.5) this.#both++;
      if (y > 0.5 || z > 0.5) this.#either++;
      const m = this.#moments;
      m.y += y;
      m.z += z;
      m.yy += y * y;
      m.zz += z * z;
      m.yz += y * z;
    }
    // What is no number is no answer.
    if (Number.isNaN(noise)) noise = Number.POSITIVE_INFINITY;
    this.#samples++;
    this.#values += size;
    this.#signal += signal;
    this.#noise += noise;
    const same = winner(reference, at, at + size) === winner(other, at, at + size);
    if (same) this.#agreeing++;
    this.#addPositions(reference, other, at, size);
    return { signal, noise, same };
  }

  #addMasked(y: number, z: number): void {
    this.#masked.values++;
    if (Number.isNaN(y) && Number.isNaN(z)) return;
    this.#masked.signal += y * y;
    this.#masked.noise += y === z ? 0 : (y - z) ** 2;
    // A mask that is gone lets through what was shut out.
    if (!(Math.abs(z) >= MASKED && Math.sign(z) === Math.sign(y))) this.#noise = Number.POSITIVE_INFINITY;
  }

  #addPositions(reference: Values, other: Values, at: number, size: number): void {
    const width = this.dims.at(-1) ?? 1;
    if (this.dims.length < 2 || width < 2) return;
    for (let from = at; from < at + size; from += width) {
      this.#positions++;
      if (winner(reference, from, from + width) === winner(other, from, from + width)) this.#samePositions++;
      if (!this.#sumsToOne) continue;
      let sum = 0;
      for (let i = from; i < from + width; i++) sum += Number(reference[i]);
      this.#sumsToOne = Math.abs(sum - 1) < 1e-3;
    }
  }

  get #kind(): OutputKind {
    if (this.exact) return "exact";
    const wide = this.dims.filter((dim) => dim !== 1);
    if (wide.length === 0) return "number";
    if (wide.length === 1) return "class";
    const shares = this.#low >= 0 && this.#high <= 1;
    if (wide.length === 2 && shares && !this.#sumsToOne) return "mask";
    // A map of features or a picture has two axes of positions; scores have one, and their own axis is the last.
    return wide.length === 2 && this.dims.at(-1) !== 1 ? "sequence" : "values";
  }

  #agreement(kind: OutputKind): number | null {
    switch (kind) {
      case "class":
        return this.#agreeing / this.#samples;
      case "sequence":
        return this.#samePositions / this.#positions;
      case "mask":
        return this.#either === 0 ? 1 : this.#both / this.#either;
      case "exact":
        return this.#values === 0 ? 1 : this.#equal / this.#values;
      default:
        return null;
    }
  }

  summary(): OutputDifferenceSummary {
    const kind = this.#kind;
    // Where all is as large as a mask, nothing is one.
    const { values, signal, noise } = this.#masked;
    const whole = values > 0 && this.#signal === 0;
    const powers = whole ? { signal, noise } : { signal: this.#signal, noise: this.#noise };
    const counted = whole ? values : this.#values - values;
    return {
      samples: this.#samples,
      kind,
      sqnrDb: ratioDb(powers.signal, powers.noise),
      mse: counted === 0 ? 0 : powers.noise / counted,
      maxDifference: this.#largest,
      meanDifference: counted === 0 ? 0 : this.#total / counted,
      range: this.#high > this.#low ? this.#high - this.#low : 0,
      agreement: this.#agreement(kind),
      correlation: this.#correlation(counted),
    };
  }

  #correlation(count: number): number | null {
    const { y, z, yy, zz, yz } = this.#moments;
    const [a, b] = [yy - (y * y) / count, zz - (z * z) / count];
    return a > 0 && b > 0 ? (yz - (y * z) / count) / Math.sqrt(a * b) : null;
  }
}

/** Signal over noise in dB: Infinity where nothing differs, −Infinity where the noise has no bound. */
export function ratioDb(signal: number, noise: number): number {
  if (noise === 0) return Number.POSITIVE_INFINITY;
  return Number.isFinite(noise) ? 10 * Math.log10(signal / noise) : Number.NEGATIVE_INFINITY;
}

/** Index of the first largest value. */
function winner(values: Values, from: number, to: number): number {
  if (typeof values[from] !== "bigint") return argmax(values as ArrayLike<number>, from, to);
  let best = from;
  for (let i = from + 1; i < to; i++) if (values[i]! > values[best]!) best = i;
  return best - from;
}
