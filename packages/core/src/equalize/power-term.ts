import type { NoiseTerm } from "./noise-model.js";

/**
 * The smooth part of a noise term: Q_s = Σ_{j∈s} g_j/b_j²·Σ_{i∈group(j)} a_i²·p_i for every slot s, as a function of log factors.
 * log Q_s is a logarithm of a sum of exponentials, hence convex; with shares ρ of its summands, each e^(2·log a_i − 2·log b_j):
 * ∇log Q = Σρm with m = 2·e_i − 2·e_j, ∇²log Q = Σρmmᵀ − ΣρmΣρmᵀ.
 */
export class PowerTerm {
  /** Group of every row and column. */
  readonly #groupOfRow: Int32Array;
  readonly #groupOfColumn: Int32Array;
  /** Share of a row in Q of its slot, and of a column in the power of its group. */
  readonly #rowShare: Float64Array;
  readonly #columnShare: Float64Array;
  readonly #power: Float64Array;
  /** Work space by group. */
  readonly #mean: Float64Array;
  readonly #toGroup: Float64Array;
  readonly #ofGroup: Float64Array;
  /** Q by slot. */
  readonly value: Float64Array;

  constructor(readonly term: NoiseTerm) {
    const { rows, rowsPerGroup, columns } = term.parts[0]!;
    const groups = rows / rowsPerGroup;
    this.#groupOfRow = Int32Array.from({ length: rows }, (_, j) => Math.floor(j / rowsPerGroup));
    this.#groupOfColumn = Int32Array.from({ length: groups * columns }, (_, i) => Math.floor(i / columns));
    this.#rowShare = new Float64Array(rows);
    this.#columnShare = new Float64Array(groups * columns);
    this.#power = new Float64Array(groups);
    this.#mean = new Float64Array(groups);
    this.#toGroup = new Float64Array(groups);
    this.#ofGroup = new Float64Array(groups);
    this.value = new Float64Array(term.slots);
  }

  /** Q and all shares at log factors. */
  evaluate(logA: Float64Array, logB: Float64Array): void {
    const { columnWeights, rowWeights, slotOfRow } = this.term;
    const power = this.#power.fill(0);
    const value = this.value.fill(0);
    const columnShare = this.#columnShare;
    const rowShare = this.#rowShare;
    for (let i = 0; i < logA.length; i++) {
      const group = this.#groupOfColumn[i]!;
      const summand = columnWeights[i]! * Math.exp(2 * logA[i]!);
      columnShare[i] = summand;
      power[group] = power[group]! + summand;
    }
    for (let i = 0; i < logA.length; i++) {
      const whole = power[this.#groupOfColumn[i]!]!;
      if (whole > 0) columnShare[i] = columnShare[i]! / whole;
    }
    for (let j = 0; j < logB.length; j++) {
      const slot = slotOfRow[j]!;
      const summand = rowWeights[j]! * Math.exp(-2 * logB[j]!) * power[this.#groupOfRow[j]!]!;
      rowShare[j] = summand;
      value[slot] = value[slot]! + summand;
    }
    for (let j = 0; j < logB.length; j++) {
      const whole = value[slotOfRow[j]!]!;
      if (whole > 0) rowShare[j] = rowShare[j]! / whole;
    }
  }

  /** Adds Σ_s weights_s·∇log Q_s. */
  addGradient(outB: Float64Array, outA: Float64Array, weights: Float64Array): void {
    this.#addShares(outB, outA, weights, -2, 2);
  }

  /** Adds the diagonal of Σ_s weights_s·Σρmmᵀ. */
  addCurvature(outB: Float64Array, outA: Float64Array, weights: Float64Array): void {
    this.#addShares(outB, outA, weights, 4, 4);
  }

  #addShares(outB: Float64Array, outA: Float64Array, weights: Float64Array, rowFactor: number, columnFactor: number) {
    const { slotOfRow } = this.term;
    const toGroup = this.#toGroup.fill(0);
    for (let j = 0; j < outB.length; j++) {
      const group = this.#groupOfRow[j]!;
      const share = weights[slotOfRow[j]!]! * this.#rowShare[j]!;
      toGroup[group] = toGroup[group]! + columnFactor * share;
      outB[j] = outB[j]! + rowFactor * share;
    }
    for (let i = 0; i < outA.length; i++) {
      outA[i] = outA[i]! + this.#columnShare[i]! * toGroup[this.#groupOfColumn[i]!]!;
    }
  }

  /** ∇log Q_s·v for every slot; prepares {@link addHessianTimes} with the same v. */
  along(vB: Float64Array, vA: Float64Array, result: Float64Array): void {
    const { slotOfRow } = this.term;
    const mean = this.#mean.fill(0);
    result.fill(0);
    for (let i = 0; i < vA.length; i++) {
      const group = this.#groupOfColumn[i]!;
      mean[group] = mean[group]! + this.#columnShare[i]! * vA[i]!;
    }
    for (let j = 0; j < vB.length; j++) {
      const slot = slotOfRow[j]!;
      result[slot] = result[slot]! + 2 * this.#rowShare[j]! * (mean[this.#groupOfRow[j]!]! - vB[j]!);
    }
  }

  /** Adds Σ_s (weights_s·Σρmmᵀ·v + outer_s·∇log Q_s). */
  addHessianTimes(
    vB: Float64Array,
    vA: Float64Array,
    outB: Float64Array,
    outA: Float64Array,
    weights: Float64Array,
    outer: Float64Array,
  ): void {
    const { slotOfRow } = this.term;
    const toGroup = this.#toGroup.fill(0);
    const ofGroup = this.#ofGroup.fill(0);
    for (let j = 0; j < vB.length; j++) {
      const slot = slotOfRow[j]!;
      const group = this.#groupOfRow[j]!;
      const share = this.#rowShare[j]!;
      const bend = 4 * weights[slot]! * share;
      const slope = 2 * outer[slot]! * share;
      outB[j] = outB[j]! - slope - bend * (this.#mean[group]! - vB[j]!);
      toGroup[group] = toGroup[group]! + slope - bend * vB[j]!;
      ofGroup[group] = ofGroup[group]! + bend;
    }
    for (let i = 0; i < vA.length; i++) {
      const group = this.#groupOfColumn[i]!;
      outA[i] = outA[i]! + this.#columnShare[i]! * (toGroup[group]! + ofGroup[group]! * vA[i]!);
    }
  }
}
