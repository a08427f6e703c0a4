import type { ConvexFunction } from "./newton.js";
import type { FactorLimit, SmoothObjective } from "./smooth-objective.js";
import { gather, type SmoothTerm, scatter } from "./smooth-term.js";

/** Sweeps that balance the shares of variables without curvature. */
const SWEEPS = 50;

/** Curvature below which a variable counts as having none: moving it to the end of its range changes nothing. */
const FLAT = 1e-9;

/**
 * A convex function below log F everywhere. Three inequalities hold for any shares that are positive and sum to 1:
 *
 *   log Σ_s exp φ_s ≥ Σ ω_s·(φ_s − log ω_s),   log Σ_r M_r ≥ Σ π_r·(log M_r − log π_r),   max_e m_e ≥ Σ λ_e·m_e
 *
 * and with the shares at the smoothed minimum they are almost equalities there. What remains is an affine function plus
 * Σ ω_s·log Q_s(z). Its minimum, found by Newton's method, bounds log F from below: the Lagrange dual of the problem.
 */
export class DualBound implements ConvexFunction {
  readonly #terms: readonly { readonly term: SmoothTerm; readonly weights: Float64Array }[];
  readonly #slope: Float64Array;
  readonly #limits: readonly FactorLimit[];
  readonly #multipliers: Float64Array;
  #constant = 0;
  products = 0;
  readonly #gradient: Float64Array;

  /** Takes the shares of the objective at the point last evaluated. */
  constructor(objective: SmoothObjective) {
    const { total, variables, limits, multipliers } = objective;
    this.#terms = objective.terms.map((term) => ({ term, weights: term.noise.map((noise) => noise / total) }));
    this.#slope = new Float64Array(variables.count);
    this.#gradient = new Float64Array(variables.count);
    this.#limits = limits;
    this.#multipliers = multipliers.slice();
    this.#balance(variables.count);
    if (objective.constant > 0) this.#constant = (objective.constant / total) * Math.log(total);
    for (const { term, weights } of this.#terms) this.#constant += addAffine(term, weights, this.#slope);
    limits.forEach(({ variable, reference, limit }, k) => {
      const multiplier = this.#multipliers[k]!;
      this.#constant -= multiplier * limit;
      this.#slope[variable] = this.#slope[variable]! + multiplier;
      this.#slope[reference] = this.#slope[reference]! - multiplier;
    });
  }

  /**
   * A variable that only maxima know (a channel that is always 0) has no curvature here: unless it is raised as much as lowered
   * the bound would fall without end along it. Shares on its heavier side are lessened until both sides agree.
   */
  #balance(count: number): void {
    const curvature = new Float64Array(count);
    for (const { term, weights } of this.#terms) addPowerCurvature(term, weights, curvature);
    const raised = new Float64Array(count);
    const lowered = new Float64Array(count);
    for (let sweep = 0; sweep < SWEEPS; sweep++) {
      raised.fill(0);
      lowered.fill(0);
      for (const { term, weights } of this.#terms) addMarginals(term, weights, raised, lowered);
      this.#limits.forEach(({ variable, reference }, k) => {
        raised[variable] = raised[variable]! + this.#multipliers[k]!;
        lowered[reference] = lowered[reference]! + this.#multipliers[k]!;
      });
      let worst = 0;
      for (let k = 0; k < count; k++) {
        if (curvature[k]! <= FLAT) worst = Math.max(worst, Math.abs(raised[k]! - lowered[k]!));
      }
      if (worst < 1e-12) return;
      const keepRow = (k: number) =>
        k >= 0 && curvature[k]! <= FLAT && raised[k]! > 0 ? Math.min(1, lowered[k]! / raised[k]!) : 1;
      const keepColumn = (k: number) =>
        k >= 0 && curvature[k]! <= FLAT && lowered[k]! > 0 ? Math.min(1, raised[k]! / lowered[k]!) : 1;
      for (const { term } of this.#terms) rescale(term, keepRow, keepColumn);
      this.#limits.forEach(({ variable, reference }, k) => {
        this.#multipliers[k] = this.#multipliers[k]! * keepRow(variable) * keepColumn(reference);
      });
    }
  }

  evaluate(z: Float64Array, gradient: Float64Array): number {
    let value = this.#constant;
    for (let k = 0; k < z.length; k++) value += this.#slope[k]! * z[k]!;
    gradient.set(this.#slope);
    for (const { term, weights } of this.#terms) {
      gather(z, term.rowVariable, term.logB);
      gather(z, term.columnVariable, term.logA);
      term.power.evaluate(term.logA, term.logB);
      for (let slot = 0; slot < weights.length; slot++) {
        if (weights[slot]! > 0) value += weights[slot]! * Math.log(term.power.value[slot]!);
      }
      const outB = new Float64Array(term.logB.length);
      const outA = new Float64Array(term.logA.length);
      term.power.addGradient(outB, outA, weights);
      scatter(outB, term.rowVariable, gradient);
      scatter(outA, term.columnVariable, gradient);
    }
    this.#gradient.set(gradient);
    return value;
  }

  curvature(diagonal: Float64Array): void {
    diagonal.fill(0);
    for (const { term, weights } of this.#terms) addPowerCurvature(term, weights, diagonal);
  }

  hessianTimes(v: Float64Array, out: Float64Array): void {
    this.products++;
    out.fill(0);
    for (const { term, weights } of this.#terms) {
      const vB = new Float64Array(term.logB.length);
      const vA = new Float64Array(term.logA.length);
      gather(v, term.rowVariable, vB);
      gather(v, term.columnVariable, vA);
      const outB = new Float64Array(vB.length);
      const outA = new Float64Array(vA.length);
      const outer = new Float64Array(weights.length);
      term.power.along(vB, vA, outer);
      for (let slot = 0; slot < outer.length; slot++) outer[slot] = -outer[slot]! * weights[slot]!;
      term.power.addHessianTimes(vB, vA, outB, outA, weights, outer);
      scatter(outB, term.rowVariable, out);
      scatter(outA, term.columnVariable, out);
    }
  }
}

function addPowerCurvature(term: SmoothTerm, weights: Float64Array, diagonal: Float64Array): void {
  const outB = new Float64Array(term.logB.length);
  const outA = new Float64Array(term.logA.length);
  term.power.addCurvature(outB, outA, weights);
  scatter(outB, term.rowVariable, diagonal);
  scatter(outA, term.columnVariable, diagonal);
}

/** Calls `visit` for every entry of a term with its weight 2·ω·π·λ in the dual function. */
function forEachEntry(
  { term, parts, portion, rowVariable, columnVariable }: SmoothTerm,
  weights: Float64Array,
  visit: (weight: number, row: number, column: number, log: number) => void,
): void {
  parts.forEach(({ activeStart, activeRows, activeColumns, activeLogs, shares }, r) => {
    for (let slot = 0; slot < term.slots; slot++) {
      const scale = 2 * weights[slot]! * portion[r * term.slots + slot]!;
      for (let e = activeStart[slot]!; e < activeStart[slot + 1]!; e++) {
        visit(scale * shares[e]!, rowVariable[activeRows[e]!]!, columnVariable[activeColumns[e]!]!, activeLogs[e]!);
      }
    }
  });
}

function addMarginals(term: SmoothTerm, weights: Float64Array, raised: Float64Array, lowered: Float64Array): void {
  forEachEntry(term, weights, (weight, row, column) => {
    if (row >= 0) raised[row] = raised[row]! + weight;
    if (column >= 0) lowered[column] = lowered[column]! + weight;
  });
}

/** Multiplies shares by what is to be kept of them and makes each slot sum to 1 again; a slot that would lose all stays. */
function rescale(
  { term, parts, rowVariable, columnVariable }: SmoothTerm,
  keepRow: (variable: number) => number,
  keepColumn: (variable: number) => number,
): void {
  for (const { activeStart, activeRows, activeColumns, shares } of parts) {
    for (let slot = 0; slot < term.slots; slot++) {
      const kept = (e: number) =>
        shares[e]! * keepRow(rowVariable[activeRows[e]!]!) * keepColumn(columnVariable[activeColumns[e]!]!);
      let sum = 0;
      for (let e = activeStart[slot]!; e < activeStart[slot + 1]!; e++) sum += kept(e);
      if (!(sum > 1e-6)) continue;
      for (let e = activeStart[slot]!; e < activeStart[slot + 1]!; e++) shares[e] = kept(e) / sum;
    }
  }
}

/** Adds the affine part of a term to the slope; returns its constant. */
function addAffine(term: SmoothTerm, weights: Float64Array, slope: Float64Array): number {
  let constant = 0;
  forEachEntry(term, weights, (weight, row, column, log) => {
    constant += weight * log;
    if (row >= 0) slope[row] = slope[row]! + weight;
    if (column >= 0) slope[column] = slope[column]! - weight;
  });
  for (let slot = 0; slot < weights.length; slot++) {
    const omega = weights[slot]!;
    if (!(omega > 0)) continue;
    constant += omega * (Math.log(term.term.coefficient) - Math.log(omega));
    for (let r = 0; r < term.parts.length; r++) {
      const portion = term.portion[r * weights.length + slot]!;
      if (portion > 0) constant -= 2 * omega * portion * Math.log(portion);
    }
  }
  return constant;
}
