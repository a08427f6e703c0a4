/**
 * Rounding with error feedback (Frantar et al. 2023, GPTQ; in the form of Chee et al. 2023, QuIP, theorem 6): weights of one output are
 * rounded one after the other, and what rounding did so far is taken out of those that follow. With G = M·D·Mᵀ, M unit upper triangular,
 * δGδᵀ = Σ_k D_k·(δ_k + Σ_{j<k} δ_j·M_jk)²: each δ_k is chosen to make its own summand small.
 */
export interface Feedback {
  /** Inputs in the order in which they are rounded: those with most power first. */
  readonly order: Int32Array;
  /** M in that order, row-major. */
  readonly factor: Float64Array;
  /** D in that order. */
  readonly pivots: Float64Array;
}

/**
 * Factors G = E[xxᵀ], [K, K] from `offset`, in K³/3 multiplications.
 * @param ridge Added to the diagonal, as a share of its mean: where no row lies nothing is fed back.
 */
export function feedbackOf(gram: ArrayLike<number>, inputs: number, ridge: number, offset = 0): Feedback {
  const diagonal = Float64Array.from({ length: inputs }, (_, k) => gram[offset + k * inputs + k]!);
  const extra = (ridge * diagonal.reduce((sum, power) => sum + power, 0)) / inputs || 1;
  const order = Int32Array.from(diagonal.keys()).sort((a, b) => diagonal[b]! - diagonal[a]! || a - b);
  const factor = new Float64Array(inputs * inputs);
  const pivots = new Float64Array(inputs);
  // Column by column from the last: M_ik·D_k = G_ik − Σ_{j>k} M_ij·D_j·M_kj.
  const scaled = new Float64Array(inputs);
  for (let k = inputs - 1; k >= 0; k--) {
    const row = k * inputs;
    for (let j = k + 1; j < inputs; j++) scaled[j] = factor[row + j]! * pivots[j]!;
    let pivot = diagonal[order[k]!]! + extra;
    for (let j = k + 1; j < inputs; j++) pivot -= scaled[j]! * factor[row + j]!;
    pivots[k] = Math.max(pivot, extra * 1e-3);
    factor[row + k] = 1;
    const line = offset + order[k]! * inputs;
    for (let i = 0; i < k; i++) {
      const at = i * inputs;
      let sum = gram[line + order[i]!]!;
      for (let j = k + 1; j < inputs; j++) sum -= factor[at + j]! * scaled[j]!;
      factor[at + k] = sum / pivots[k]!;
    }
  }
  return { order, factor, pivots };
}

/** c with G·c = b. */
export function solve({ order, factor, pivots }: Feedback, b: ArrayLike<number>): Float64Array {
  const inputs = order.length;
  const inner = Float64Array.from(order, (input) => b[input]!);
  for (let k = inputs - 1; k >= 0; k--) {
    for (let j = k + 1; j < inputs; j++) inner[k] = inner[k]! - factor[k * inputs + j]! * inner[j]!;
  }
  for (let k = 0; k < inputs; k++) inner[k] = inner[k]! / pivots[k]!;
  for (let k = 0; k < inputs; k++) {
    for (let j = k + 1; j < inputs; j++) inner[j] = inner[j]! - factor[k * inputs + j]! * inner[k]!;
  }
  const result = new Float64Array(inputs);
  order.forEach((input, k) => {
    result[input] = inner[k]!;
  });
  return result;
}

/**
 * Rounds the weights of one output. `round` gives the value of input k's grid nearest to another; steps may differ from input to input, as
 * those of blocks do. Returns the rounded weights.
 */
export function roundWithFeedback(
  { order, factor }: Feedback,
  weights: ArrayLike<number>,
  round: (input: number, value: number) => number,
): Float64Array {
  const inputs = order.length;
  const rounded = new Float64Array(inputs);
  /** Σ_{j<k} δ_j·M_jk for every k still to come. */
  const carried = new Float64Array(inputs);
  for (let k = 0; k < inputs; k++) {
    const input = order[k]!;
    const value = round(input, weights[input]! - carried[k]!);
    rounded[input] = value;
    const error = value - weights[input]!;
    if (error === 0) continue;
    const row = k * inputs;
    for (let j = k + 1; j < inputs; j++) carried[j] = carried[j]! + error * factor[row + j]!;
  }
  return rounded;
}
