import { DualBound } from "./dual-bound.js";
import { newton } from "./newton.js";
import { type NoiseModel, type NoiseTerm, predictedNoise, termNoise } from "./noise-model.js";
import type { ClassClip, ScaleFactors } from "./scale-classes.js";
import { type FactorLimit, SmoothObjective, type VariableIndex } from "./smooth-objective.js";

/** Options for {@link optimalFactors}. */
export interface OptimalOptions {
  /** Stops when the objective is proved to be within this share of the minimum. Default: 0.005, 0.02 dB. */
  gapTolerance?: number;
  /** Most products with the Hessian: what bounds the time. Default: 4000. */
  products?: number;
}

export const OPTIMAL_DEFAULTS = { gapTolerance: 0.005, products: 4000 } as const satisfies Required<OptimalOptions>;

/** Rules that restrict factors: variables that share one, and limits on the others. */
export interface FactorRules {
  readonly variables: VariableIndex;
  readonly limits: readonly FactorLimit[];
  /** Least and largest log factor of every variable, within ±{@link LOG_FACTOR_BOUND}. */
  readonly lower: Float64Array;
  readonly upper: Float64Array;
  /** Makes factors obey the rules exactly; variables that share one take the least of theirs, or the geometric mean. */
  project(factors: Float64Array[], share?: "least" | "mean"): void;
  /** Whether the factors of a class are limited as such, so that their common scale is not free. */
  absolute(classId: number): boolean;
  /** Factor of the one bound that a Clip keeps in `common` mode. */
  boundFactor(clip: ClassClip, factors: ScaleFactors): number;
}

/** Result of {@link optimalFactors}. */
export interface OptimalResult {
  readonly factors: Float64Array[];
  /** Predicted noise of the factors, with true maxima. */
  readonly objective: number;
  /** No factors within 2^±20 that obey the rules have less. */
  readonly lowerBound: number;
  /** (objective − lowerBound) / objective. */
  readonly gap: number;
  /** Newton steps, evaluations of the objective, and products with its Hessian. */
  readonly iterations: number;
  readonly evaluations: number;
  readonly products: number;
}

/** Logarithm of the largest factor the lower bound speaks about. */
export const LOG_FACTOR_BOUND = 20 * Math.LN2;

/** Sharpness of the maxima: doubled from first to last. */
const FIRST = 16;
const LAST = 8192;

/**
 * Factors that minimise the predicted noise over all classes at once, to the global optimum.
 *
 * In z = log factors the noise is a sum of exponentials of sums of maxima of affine functions and logarithms of sums of
 * exponentials: a geometric program, convex in z (Boyd et al. 2007, A tutorial on geometric programming). Each maximum is
 * smoothed, M ≤ (1/p)·log Σ exp(p·m) ≤ M + log(n)/p, and Newton's method follows the minima z(p) as p doubles. They approach
 * the limit as z + d/p (Cominetti and San Martín 1994), so two of them predict the next and the limit itself.
 *
 * The proof is the Lagrange dual ({@link DualBound}) with the shares of the smoothed maxima, minimised and extended by its
 * tangent over all z within the bounds; limits between variables enter with their multipliers, which are not negative.
 */
export function optimalFactors(model: NoiseModel, rules: FactorRules, options: OptimalOptions = {}): OptimalResult {
  const { gapTolerance, products } = { ...OPTIMAL_DEFAULTS, ...options };
  const { variables, lower, upper } = rules;
  const ones = model.classes.classes.map(({ size }) => new Float64Array(size).fill(1));
  const objective = new SmoothObjective(model.terms, variables, rules.limits, (term: NoiseTerm) =>
    termNoise(term, ones),
  );
  const candidates = new Candidates(model, rules, ones);
  const z = new Float64Array(variables.count);
  let previous: Float64Array | undefined;
  let logBound = Number.NEGATIVE_INFINITY;
  let iterations = 0;
  const gap = () => 1 - Math.exp(logBound) / candidates.noise;
  for (let p = FIRST; p <= LAST && variables.count > 0; p *= 2) {
    const last = z.slice();
    if (previous) {
      const predicted = z.map((value, k) => within(rules, k, 1.5 * value - 0.5 * previous![k]!));
      chooseStart(objective, p, z, predicted);
    }
    objective.sharpness = p;
    const solve = (tolerance: number) => {
      const left = Math.max(1, products - objective.products);
      const stage = newton(objective, z, { steps: 20, products: Math.min(200, left), tolerance, lower, upper });
      iterations += stage.steps;
      return stage.value;
    };
    const value = solve(1e-4);
    candidates.offer(z);
    if (previous) candidates.offer(z.map((at, k) => within(rules, k, 2 * at - last[k]!)));
    previous = last;
    // What smoothing adds shows how far both bounds still are from the minimum, and whether a proof can succeed.
    const spent = objective.products >= products || p === LAST;
    if (!spent && Math.exp(value) > candidates.noise * (1 + 2 * gapTolerance)) continue;
    solve(1e-6);
    candidates.offer(z);
    const { bound, steps } = lowerBound(objective, rules, z);
    iterations += steps;
    logBound = Math.max(logBound, bound);
    if (spent || gap() <= gapTolerance) break;
  }
  // Where nothing can be scaled the noise is what it is.
  const bound = variables.count > 0 ? Math.min(Math.exp(logBound), candidates.noise) : candidates.noise;
  return {
    factors: candidates.factors,
    objective: candidates.noise,
    lowerBound: bound,
    gap: candidates.noise > 0 ? 1 - bound / candidates.noise : 0,
    iterations,
    evaluations: objective.evaluations,
    products: objective.products,
  };
}

/** The factors with the least true noise seen so far; factors of 1 to begin with, where the rules allow them. */
class Candidates {
  factors: Float64Array[];
  noise: number;

  constructor(
    readonly model: NoiseModel,
    readonly rules: FactorRules,
    ones: ScaleFactors,
  ) {
    this.factors = ones.map((ofClass) => ofClass.slice());
    rules.project(this.factors);
    this.noise = predictedNoise(model, this.factors).total;
  }

  offer(z: Float64Array): void {
    const factors = factorsAt(this.rules.variables, z);
    this.rules.project(factors);
    const { total } = predictedNoise(this.model, factors);
    if (!(total < this.noise)) return;
    this.factors = factors;
    this.noise = total;
  }
}

function within({ lower, upper }: FactorRules, k: number, value: number): number {
  return Math.min(Math.max(value, lower[k]!), upper[k]!);
}

/** Factors of log factors; 1 where pinned. */
function factorsAt(variables: VariableIndex, z: Float64Array): Float64Array[] {
  return variables.of.map((positions) =>
    Float64Array.from(positions, (position) => (position < 0 ? 1 : Math.exp(z[position]!))),
  );
}

/** Starts the next stage from the prediction where that is better. */
function chooseStart(objective: SmoothObjective, p: number, z: Float64Array, predicted: Float64Array): void {
  objective.sharpness = p;
  const unused = new Float64Array(z.length);
  const here = objective.evaluate(z, unused);
  if (objective.evaluate(predicted, unused) < here) z.set(predicted);
}

/** Logarithm of a lower bound of the noise, from the shares at z. */
function lowerBound(
  objective: SmoothObjective,
  { lower, upper }: FactorRules,
  z: Float64Array,
): { bound: number; steps: number } {
  const gradient = new Float64Array(z.length);
  objective.evaluate(z, gradient);
  const dual = new DualBound(objective);
  const y = z.slice();
  const { steps } = newton(dual, y, { steps: 20, products: 100, tolerance: 1e-9, lower, upper });
  const value = dual.evaluate(y, gradient);
  let slack = 0;
  for (let k = 0; k < y.length; k++) slack += gradient[k]! * (y[k]! - (gradient[k]! > 0 ? lower[k]! : upper[k]!));
  return { bound: value - slack, steps };
}
