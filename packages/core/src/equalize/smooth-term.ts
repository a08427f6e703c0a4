import { ActiveMaxima } from "./active-maxima.js";
import type { NoiseTerm } from "./noise-model.js";
import { PowerTerm } from "./power-term.js";

/** Log factors may move by this much before the entries near a maximum are searched anew. */
const driftAt = (sharpness: number) => Math.min(0.3, Math.max(0.02, 4 / sharpness));

/**
 * One noise term as a function of log factors z, with smoothed maxima. Its noise is a sum over slots of exp φ_s,
 * φ_s = log c + 2·log T_s + log Q_s; every φ_s is convex, being made of logarithms of sums of exponentials.
 */
export class SmoothTerm {
  readonly parts: readonly ActiveMaxima[];
  readonly power: PowerTerm;
  /** Noise by slot, and the share of every part in T: part r of slot s at r·slots + s. */
  readonly noise: Float64Array;
  readonly portion: Float64Array;
  /** Log factors of rows and columns, and at the last search for entries. */
  readonly logB: Float64Array;
  readonly logA: Float64Array;
  readonly #lastB: Float64Array;
  readonly #lastA: Float64Array;
  #lastSharpness = 0;
  /** Work space by row, column and slot. */
  readonly #outB: Float64Array;
  readonly #outA: Float64Array;
  readonly #vB: Float64Array;
  readonly #vA: Float64Array;
  readonly #weights: Float64Array;
  readonly #alongQ: Float64Array;
  readonly #outer: Float64Array;

  private constructor(
    readonly term: NoiseTerm,
    /** Position in z of the factor of every row and column; −1 where it is 1. */
    readonly rowVariable: Int32Array,
    readonly columnVariable: Int32Array,
  ) {
    this.parts = term.parts.map((part) => new ActiveMaxima(part, term.slots, term.slotOfRow));
    this.power = new PowerTerm(term);
    const rows = () => new Float64Array(rowVariable.length);
    const columns = () => new Float64Array(columnVariable.length);
    const slots = () => new Float64Array(term.slots);
    [this.logB, this.#lastB, this.#outB, this.#vB] = [rows(), rows(), rows(), rows()];
    [this.logA, this.#lastA, this.#outA, this.#vA] = [columns(), columns(), columns(), columns()];
    [this.noise, this.#weights, this.#alongQ, this.#outer] = [slots(), slots(), slots(), slots()];
    this.portion = new Float64Array(term.slots * term.parts.length);
  }

  /** The term over the given positions of variables; undefined where nothing in it can be scaled. */
  static of(term: NoiseTerm, positions: readonly Int32Array[]): SmoothTerm | undefined {
    const locate = (classId: number, own: Int32Array) =>
      Int32Array.from(own, (variable) => positions[classId]?.[variable] ?? -1);
    const rows = locate(term.rowClass, term.rowVariables);
    const columns = locate(term.columnClass, term.columnVariables);
    const free = rows.some((at) => at >= 0) || columns.some((at) => at >= 0);
    return free && term.parts.length > 0 ? new SmoothTerm(term, rows, columns) : undefined;
  }

  /** Noise at z with maxima of the given sharpness. */
  evaluate(z: Float64Array, sharpness: number): number {
    const { term, parts, portion, logA, logB } = this;
    gather(z, this.rowVariable, logB);
    gather(z, this.columnVariable, logA);
    this.#keepEntries(sharpness);
    this.power.evaluate(logA, logB);
    for (const part of parts) part.smooth(logA, logB, sharpness);
    let sum = 0;
    for (let slot = 0; slot < term.slots; slot++) {
      let step = 0;
      for (const { value } of parts) step += Math.exp(value[slot]!);
      for (let r = 0; r < parts.length; r++) {
        portion[r * term.slots + slot] = step > 0 ? Math.exp(parts[r]!.value[slot]!) / step : 0;
      }
      this.noise[slot] = term.coefficient * step * step * this.power.value[slot]!;
      sum += this.noise[slot]!;
    }
    return sum;
  }

  /** Searches the entries near the maxima again when the sharpness changed or a factor of the term moved too far. */
  #keepEntries(sharpness: number): void {
    const drift = driftAt(sharpness);
    const moved = (now: Float64Array, last: Float64Array) => {
      for (let k = 0; k < now.length; k++) if (Math.abs(now[k]! - last[k]!) > drift) return true;
      return false;
    };
    if (this.#lastSharpness === sharpness && !moved(this.logA, this.#lastA) && !moved(this.logB, this.#lastB)) return;
    const inverseA = this.logA.map((value) => Math.exp(-value));
    const b = this.logB.map(Math.exp);
    for (const part of this.parts) part.refresh(inverseA, b, sharpness, drift);
    this.#lastSharpness = sharpness;
    this.#lastA.set(this.logA);
    this.#lastB.set(this.logB);
  }

  #slotWeights(weight: number): Float64Array {
    const weights = this.#weights;
    for (let slot = 0; slot < weights.length; slot++) weights[slot] = this.noise[slot]! * weight;
    return weights;
  }

  /** Adds weight·∇(Σ_s noise_s) to the gradient. */
  addGradient(gradient: Float64Array, weight: number): void {
    const weights = this.#slotWeights(weight);
    const outB = this.#outB.fill(0);
    const outA = this.#outA.fill(0);
    this.#addMaxima(outB, outA, weights, 2, -2);
    this.power.addGradient(outB, outA, weights);
    scatter(outB, this.rowVariable, gradient);
    scatter(outA, this.columnVariable, gradient);
  }

  /** Adds the diagonal of weight·Σ_s noise_s·∇²φ_s without its negative parts: enough to scale variables. */
  addCurvature(diagonal: Float64Array, weight: number, sharpness: number): void {
    const weights = this.#slotWeights(weight);
    const outB = this.#outB.fill(0);
    const outA = this.#outA.fill(0);
    this.#addMaxima(outB, outA, weights, 2 * (sharpness + 1), 2 * (sharpness + 1));
    this.power.addCurvature(outB, outA, weights);
    scatter(outB, this.rowVariable, diagonal);
    scatter(outA, this.columnVariable, diagonal);
  }

  #addMaxima(outB: Float64Array, outA: Float64Array, weights: Float64Array, forRow: number, forColumn: number): void {
    const { slots } = this.term;
    for (let r = 0; r < this.parts.length; r++) {
      const { activeStart, activeRows, activeColumns, shares } = this.parts[r]!;
      for (let slot = 0; slot < slots; slot++) {
        const scale = weights[slot]! * this.portion[r * slots + slot]!;
        for (let e = activeStart[slot]!; e < activeStart[slot + 1]!; e++) {
          const share = scale * shares[e]!;
          const row = activeRows[e]!;
          const column = activeColumns[e]!;
          outB[row] = outB[row]! + forRow * share;
          outA[column] = outA[column]! + forColumn * share;
        }
      }
    }
  }

  /**
   * Adds weight·Σ_s noise_s·(∇φ_s∇φ_sᵀ + ∇²φ_s)·v. With shares λ of the entries m = e_row − e_column in a part and π of the
   * parts in T: ∇L = Σλm, ∇²L = p·(Σλmmᵀ − ∇L∇Lᵀ), ∇²log T = Σπ(∇²L + ∇L∇Lᵀ) − ∇log T∇log Tᵀ.
   */
  addHessianTimes(v: Float64Array, out: Float64Array, weight: number, sharpness: number): void {
    const { slots } = this.term;
    const weights = this.#slotWeights(weight);
    const [vB, vA] = [this.#vB, this.#vA];
    gather(v, this.rowVariable, vB);
    gather(v, this.columnVariable, vA);
    const outB = this.#outB.fill(0);
    const outA = this.#outA.fill(0);
    this.power.along(vB, vA, this.#alongQ);
    const along = new Float64Array(this.parts.length);
    for (let slot = 0; slot < slots; slot++) {
      const omega = weights[slot]!;
      let alongT = 0;
      for (let r = 0; r < this.parts.length; r++) {
        along[r] = this.parts[r]!.along(slot, vB, vA);
        alongT += this.portion[r * slots + slot]! * along[r]!;
      }
      const alongPhi = 2 * alongT + this.#alongQ[slot]!;
      // ∇φ∇φᵀ brings ∇log Q with alongPhi, ∇²log Q takes it with alongQ.
      this.#outer[slot] = omega * (alongPhi - this.#alongQ[slot]!);
      for (let r = 0; r < this.parts.length; r++) {
        const { activeStart, activeRows, activeColumns, shares } = this.parts[r]!;
        const scale = 2 * omega * this.portion[r * slots + slot]!;
        const base = scale * (alongPhi + along[r]! - alongT - sharpness * along[r]!);
        const bend = scale * sharpness;
        for (let e = activeStart[slot]!; e < activeStart[slot + 1]!; e++) {
          const row = activeRows[e]!;
          const column = activeColumns[e]!;
          const value = shares[e]! * (base + bend * (vB[row]! - vA[column]!));
          outB[row] = outB[row]! + value;
          outA[column] = outA[column]! - value;
        }
      }
    }
    this.power.addHessianTimes(vB, vA, outB, outA, weights, this.#outer);
    scatter(outB, this.rowVariable, out);
    scatter(outA, this.columnVariable, out);
  }
}

export function gather(from: Float64Array, positions: Int32Array, to: Float64Array): void {
  for (let k = 0; k < to.length; k++) {
    const at = positions[k]!;
    to[k] = at < 0 ? 0 : from[at]!;
  }
}

export function scatter(from: Float64Array, positions: Int32Array, to: Float64Array): void {
  for (let k = 0; k < from.length; k++) {
    const at = positions[k]!;
    if (at >= 0) to[at] = to[at]! + from[k]!;
  }
}
