import type { NoiseTerm } from "./noise-model.js";
import type { ScaleClass } from "./scale-classes.js";
import { SmoothTerm } from "./smooth-term.js";

/** A rule on two factors, linear in their logarithms: z[variable] − z[reference] ≤ limit. */
export interface FactorLimit {
  readonly variable: number;
  readonly reference: number;
  readonly limit: number;
}

/** Free variables of all classes in one vector. */
export interface VariableIndex {
  readonly count: number;
  /** Position of every variable of every class; −1 where it is pinned. */
  readonly of: readonly Int32Array[];
}

/** Numbers the free variables in class order. `merge` names for each variable the one whose factor it shares. */
export function indexVariables(
  classes: readonly ScaleClass[],
  merge: (scaleClass: ScaleClass) => Int32Array | undefined = () => undefined,
): VariableIndex {
  let count = 0;
  const of = classes.map((scaleClass) => {
    const shared = merge(scaleClass);
    const positions = new Int32Array(scaleClass.size).fill(-1);
    for (let variable = 0; variable < scaleClass.size; variable++) {
      if (scaleClass.pinned[variable] !== undefined) continue;
      const first = shared?.[variable] ?? variable;
      positions[variable] = first === variable ? count++ : positions[first]!;
    }
    return positions;
  });
  return { count, of };
}

/**
 * Logarithm of the total noise as a function of log factors z, with maxima smoothed by log-sum-exp of sharpness p: convex,
 * twice differentiable, never below the true value and at most 2·log(entries)/p above it.
 */
export class SmoothObjective {
  readonly terms: readonly SmoothTerm[];
  /** Noise of terms in which nothing can be scaled. */
  readonly constant: number;
  /** F at the point last evaluated. */
  total = 0;
  readonly #gradient: Float64Array;
  /** Lagrange multipliers of the limits, from the last smooth evaluation. */
  readonly multipliers: Float64Array;
  /** p of the smoothed maxima. */
  sharpness = 16;
  /** Evaluations and products with the Hessian so far. */
  evaluations = 0;
  products = 0;

  constructor(
    terms: readonly NoiseTerm[],
    readonly variables: VariableIndex,
    readonly limits: readonly FactorLimit[],
    constantNoise: (term: NoiseTerm) => number,
  ) {
    const smooth: SmoothTerm[] = [];
    let constant = 0;
    for (const term of terms) {
      const prepared = SmoothTerm.of(term, variables.of);
      if (prepared) smooth.push(prepared);
      else constant += constantNoise(term);
    }
    this.terms = smooth;
    this.constant = constant;
    this.#gradient = new Float64Array(variables.count);
    this.multipliers = new Float64Array(limits.length);
  }

  /** log F at z; writes its gradient. */
  evaluate(z: Float64Array, gradient: Float64Array): number {
    this.evaluations++;
    let total = this.constant;
    for (const term of this.terms) total += term.evaluate(z, this.sharpness);
    this.total = total;
    gradient.fill(0);
    for (const term of this.terms) term.addGradient(gradient, 1 / total);
    this.#gradient.set(gradient);
    return Math.log(total) + this.#addLimits(z, gradient);
  }

  /** Diagonal of the Hessian at the point last evaluated, roughly: it brings all variables to one scale. */
  curvature(diagonal: Float64Array): void {
    diagonal.fill(0);
    const p = this.sharpness;
    for (const term of this.terms) term.addCurvature(diagonal, 1 / this.total, p);
    this.limits.forEach(({ variable, reference }, k) => {
      const bend = p * this.multipliers[k]!;
      diagonal[variable] = diagonal[variable]! + bend;
      diagonal[reference] = diagonal[reference]! + bend;
    });
  }

  /** Product of the Hessian at the point last evaluated with a vector. */
  hessianTimes(v: Float64Array, out: Float64Array): void {
    this.products++;
    out.fill(0);
    const p = this.sharpness;
    for (const term of this.terms) term.addHessianTimes(v, out, 1 / this.total, p);
    // ∇² log F = ∇²F/F − ∇log F ∇log Fᵀ
    let along = 0;
    for (let k = 0; k < v.length; k++) along += this.#gradient[k]! * v[k]!;
    for (let k = 0; k < v.length; k++) out[k] = out[k]! - this.#gradient[k]! * along;
    this.limits.forEach(({ variable, reference }, k) => {
      const bend = p * this.multipliers[k]! * (v[variable]! - v[reference]!);
      out[variable] = out[variable]! + bend;
      out[reference] = out[reference]! - bend;
    });
  }

  /** Each of n limits h ≤ 0 adds exp(p·h)/(p·n), whose slope is its multiplier. */
  #addLimits(z: Float64Array, gradient: Float64Array): number {
    let sum = 0;
    this.limits.forEach(({ variable, reference, limit }, k) => {
      const h = z[variable]! - z[reference]! - limit;
      const slope = Math.exp(Math.min(this.sharpness * h, 300)) / this.limits.length;
      this.multipliers[k] = slope;
      sum += slope / this.sharpness;
      gradient[variable] = gradient[variable]! + slope;
      gradient[reference] = gradient[reference]! - slope;
    });
    return sum;
  }
}
