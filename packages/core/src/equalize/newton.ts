/** A smooth convex function with what Newton's method needs of it, at the point last evaluated. */
export interface ConvexFunction {
  evaluate(x: Float64Array, gradient: Float64Array): number;
  hessianTimes(v: Float64Array, out: Float64Array): void;
  curvature(diagonal: Float64Array): void;
}

export interface NewtonOptions {
  /** Most steps. */
  steps: number;
  /** Most inner iterations a step. */
  products: number;
  /** Stops when the predicted decrease, half of gᵀH⁻¹g, is below this. */
  tolerance: number;
  /** Least and largest value of every variable; the start lies between them. */
  lower: Float64Array;
  upper: Float64Array;
}

export interface NewtonResult {
  readonly value: number;
  readonly steps: number;
  /** Predicted decrease at the end: about the distance of the value from the minimum. */
  readonly decrement: number;
}

/** No component of a step is longer than this: a factor of e² at once. */
const MAX_STEP = 2;

/**
 * Truncated Newton method (Dembo and Steihaug 1983): conjugate gradients on H·d = −g, preconditioned by the diagonal, then a
 * line search. Variables at a bound that the gradient presses against stay there, and steps are cut off at bounds (Bertsekas 1982,
 * projected Newton methods). Works in place on `x`; on return `f` was last evaluated at `x`.
 */
export function newton(f: ConvexFunction, x: Float64Array, options: NewtonOptions): NewtonResult {
  const n = x.length;
  const { lower, upper } = options;
  const held = new Uint8Array(n);
  const gradient = new Float64Array(n);
  const trialGradient = new Float64Array(n);
  const trial = new Float64Array(n);
  const direction = new Float64Array(n);
  const diagonal = new Float64Array(n);
  let value = f.evaluate(x, gradient);
  let decrement = Number.POSITIVE_INFINITY;
  let step = 0;
  for (; step < options.steps; step++) {
    f.curvature(diagonal);
    for (let k = 0; k < n; k++) {
      const pressed = gradient[k]! > 0 ? x[k]! <= lower[k]! : x[k]! >= upper[k]!;
      held[k] = pressed ? 1 : 0;
    }
    const system = { f, gradient, diagonal, held, products: options.products, tolerance: options.tolerance };
    const slope = conjugateGradients(system, direction);
    decrement = -slope / 2;
    if (!(decrement > options.tolerance)) break;
    const length = largest(direction);
    let t = Math.min(1, MAX_STEP / length);
    let next = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < 40; tries++, t /= 2) {
      let gain = 0;
      for (let k = 0; k < n; k++) {
        trial[k] = Math.min(Math.max(x[k]! + t * direction[k]!, lower[k]!), upper[k]!);
        gain += gradient[k]! * (trial[k]! - x[k]!);
      }
      next = f.evaluate(trial, trialGradient);
      if (next <= value + 1e-4 * gain) break;
    }
    if (!(next < value)) {
      f.evaluate(x, gradient);
      break;
    }
    x.set(trial);
    gradient.set(trialGradient);
    value = next;
  }
  return { value, steps: step, decrement };
}

interface LinearSystem {
  readonly f: ConvexFunction;
  readonly gradient: Float64Array;
  readonly diagonal: Float64Array;
  readonly held: Uint8Array;
  readonly products: number;
  readonly tolerance: number;
}

/** Solves H·d ≈ −g in the variables that are not held; returns gᵀd. Far from the minimum precision would be wasted. */
function conjugateGradients(system: LinearSystem, direction: Float64Array): number {
  const { f, gradient, diagonal, held, products, tolerance } = system;
  const n = gradient.length;
  const floor = 1e-12 * Math.max(largest(diagonal), Number.MIN_VALUE * 1e20);
  const inverse = diagonal.map((value) => 1 / (value + floor));
  const residual = gradient.map((value, k) => (held[k] ? 0 : -value));
  const scaled = new Float64Array(n);
  const search = new Float64Array(n);
  const product = new Float64Array(n);
  direction.fill(0);
  let rho = 0;
  for (let k = 0; k < n; k++) {
    scaled[k] = inverse[k]! * residual[k]!;
    rho += scaled[k]! * residual[k]!;
  }
  search.set(scaled);
  const start = rho;
  // Superlinear convergence: the smaller the gradient in the scaled norm, the more precise the step.
  const goal = Math.max(start * Math.min(0.1, Math.sqrt(start)) ** 2, tolerance * 1e-2);
  for (let iteration = 0; iteration < products && rho > goal; iteration++) {
    f.hessianTimes(search, product);
    let bend = 0;
    for (let k = 0; k < n; k++) {
      product[k] = held[k] ? 0 : product[k]! + floor * search[k]!;
      bend += product[k]! * search[k]!;
    }
    if (!(bend > 0)) break;
    const alpha = rho / bend;
    let next = 0;
    for (let k = 0; k < n; k++) {
      direction[k] = direction[k]! + alpha * search[k]!;
      residual[k] = residual[k]! - alpha * product[k]!;
      scaled[k] = inverse[k]! * residual[k]!;
      next += scaled[k]! * residual[k]!;
    }
    const beta = next / rho;
    rho = next;
    for (let k = 0; k < n; k++) search[k] = scaled[k]! + beta * search[k]!;
  }
  let slope = 0;
  for (let k = 0; k < n; k++) slope += gradient[k]! * direction[k]!;
  return slope;
}

function largest(values: Float64Array): number {
  let most = 0;
  for (const value of values) {
    const size = value < 0 ? -value : value;
    if (size > most) most = size;
  }
  return most;
}
