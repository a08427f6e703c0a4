/** One score a sample against a yes or no. Shares, 0–1; NaN where nothing defines them. */
export interface BinaryScore {
  readonly accuracy: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** Accuracy, precision, recall and F1 with «yes» where the score exceeds the threshold. */
export function binaryScore(
  truth: ArrayLike<boolean | number>,
  scores: ArrayLike<number>,
  threshold = 0.5,
): BinaryScore {
  let [hits, misses, falseAlarms, rest] = [0, 0, 0, 0];
  for (let i = 0; i < truth.length; i++) {
    const yes = scores[i]! > threshold;
    if (truth[i]) yes ? hits++ : misses++;
    else yes ? falseAlarms++ : rest++;
  }
  return {
    accuracy: (hits + rest) / truth.length,
    precision: hits / (hits + falseAlarms),
    recall: hits / (hits + misses),
    f1: (2 * hits) / (2 * hits + falseAlarms + misses),
  };
}

/** Probability that a true sample scores higher than a false one, ties counted half (area under the ROC curve). */
export function areaUnderCurve(truth: ArrayLike<boolean | number>, scores: ArrayLike<number>): number {
  const order = Uint32Array.from({ length: truth.length }, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
  let ranks = 0;
  let positives = 0;
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to < order.length && scores[order[to]!] === scores[order[from]!]) to++;
    for (let i = from; i < to; i++) {
      if (!truth[order[i]!]) continue;
      ranks += (from + to + 1) / 2; // mean rank of the tied, counted from 1
      positives++;
    }
    from = to;
  }
  const negatives = order.length - positives;
  return (ranks - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/** Errors of numbers, in the numbers' own unit. */
export interface RegressionScore {
  /** Square root of the mean squared error. */
  readonly rmse: number;
  /** Mean absolute error. */
  readonly mae: number;
  /** 1 − squared error / variance (coefficient of determination); NaN where all true values are the same. */
  readonly r2: number;
}

export function regressionScore(truth: ArrayLike<number>, found: ArrayLike<number>): RegressionScore {
  const n = truth.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += truth[i]! / n;
  let [squares, absolute, spread] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const error = found[i]! - truth[i]!;
    squares += error * error;
    absolute += Math.abs(error);
    spread += (truth[i]! - mean) ** 2;
  }
  return { rmse: Math.sqrt(squares / n), mae: absolute / n, r2: spread === 0 ? Number.NaN : 1 - squares / spread };
}
