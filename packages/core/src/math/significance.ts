import { OptionsError } from "../errors.js";
import { lnGamma, normalQuantile, upperGamma } from "./special-functions.js";

/** Two ends of a confidence interval, 0–1. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

function requireCount(name: string, value: number, most = Number.MAX_SAFE_INTEGER): void {
  if (Number.isInteger(value) && value >= 0 && value <= most) return;
  throw new OptionsError("E2002", `${name}: invalid count ${value}, expected an integer 0-${most}`, {
    expected: `0-${most}`,
    actual: value,
  });
}

/**
 * Wilson score interval of a share, `successes` of `trials` (E. B. Wilson 1927):
 * (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n). Without trials nothing is known: 0 … 1.
 *
 * @throws {OptionsError} E2002: counts not integers, successes > trials, confidence not between 0 and 1.
 */
export function wilsonInterval(successes: number, trials: number, confidence = 0.95): Interval {
  requireCount("wilsonInterval", trials);
  requireCount("wilsonInterval", successes, trials);
  if (!(confidence > 0 && confidence < 1)) {
    throw new OptionsError("E2002", `wilsonInterval: invalid confidence ${confidence}, expected between 0 and 1`, {
      expected: "0-1",
      actual: confidence,
    });
  }
  if (trials === 0) return { low: 0, high: 1 };
  const z = normalQuantile((1 + confidence) / 2);
  const share = successes / trials;
  const square = (z * z) / trials;
  const middle = (share + square / 2) / (1 + square);
  const half = (z * Math.sqrt((share * (1 - share)) / trials + square / (4 * trials))) / (1 + square);
  // At 0 and 1 the ends are exactly 0 and 1; the formula only nearly says so.
  return {
    low: successes === 0 ? 0 : Math.max(0, middle - half),
    high: successes === trials ? 1 : Math.min(1, middle + half),
  };
}

/**
 * Exact McNemar test: two-sided p-value of `onlyFirst` and `onlySecond`, the images that just one of two networks gets right.
 * If both are equally good, each discordant image falls to either side like a coin: p = min(1, 2·P(X ≤ min)), X ~ Binomial(n, ½).
 * Terms are summed from the largest down, from a logarithm, so n may be millions. No discordant image: p = 1.
 */
export function mcNemarExact(onlyFirst: number, onlySecond: number): number {
  requireCount("mcNemarExact", onlyFirst);
  requireCount("mcNemarExact", onlySecond);
  const n = onlyFirst + onlySecond;
  const k = Math.min(onlyFirst, onlySecond);
  if (2 * k >= n - 1) return 1; // the two tails meet: P(X ≤ k) ≥ ½
  let term = 1;
  let sum = 1;
  for (let i = k; i > 0 && term > sum * 1e-17; i--) {
    term *= i / (n - i + 1);
    sum += term;
  }
  return Math.min(1, 2 * sum * Math.exp(lnHalfBinomial(n, k)));
}

/** ln(C(n, k)/2ⁿ), without cancelling numbers of the size of n·ln n. */
function lnHalfBinomial(n: number, k: number): number {
  if (k === 0) return -n * Math.LN2;
  if (n < 50) return lnGamma(n + 1) - lnGamma(k + 1) - lnGamma(n - k + 1) - n * Math.LN2;
  // Stirling: ln m! = m·ln m − m + ½·ln(2πm) + r(m). The m·ln m parts become the deviance n·D, D ≥ 0 and small near k = n/2.
  const m = n - k;
  const d = (m - k) / n; // 0 < d < 1
  const deviance = (n / 2) * ((1 + d) * Math.log1p(d) + (1 - d) * Math.log1p(-d));
  return stirlingRest(n) - stirlingRest(k) - stirlingRest(m) - deviance + 0.5 * Math.log(n / (2 * Math.PI * k * m));
}

/** r(m) = ln m! − (m·ln m − m + ½·ln(2πm)). */
function stirlingRest(m: number): number {
  if (m < 16) return lnGamma(m + 1) - (m * Math.log(m) - m + 0.5 * Math.log(2 * Math.PI * m));
  const r = 1 / (m * m);
  return (1 / 12 - r * (1 / 360 - r * (1 / 1260 - r * (1 / 1680 - r / 1188)))) / m;
}

/** Result of {@link evenDropTest}. */
export interface ChiSquareResult {
  readonly statistic: number;
  readonly degreesOfFreedom: number;
  readonly p: number;
  /** Smallest expected count; below 5 the p-value is only a rough guide. */
  readonly smallestExpected: number;
}

/** P(χ² ≥ statistic) = Q(k/2, statistic/2). */
export function chiSquareTail(statistic: number, degreesOfFreedom: number): number {
  return degreesOfFreedom === 0 ? 1 : upperGamma(degreesOfFreedom / 2, statistic / 2);
}

/**
 * Is a loss of accuracy spread evenly over the classes (MathWorks' bias test)? Pearson's χ² test of homogeneity on the
 * table lost/kept by class: `lost[c]` of the `eligible[c]` images of class c that were right before are wrong now.
 * A small p says that some classes pay more than others. Classes without eligible images are left out; if no image or
 * every image was lost, nothing can differ and p = 1.
 *
 * @throws {OptionsError} E2002: lists of different length, counts not integers, lost > eligible.
 */
export function evenDropTest(lost: ArrayLike<number>, eligible: ArrayLike<number>): ChiSquareResult {
  if (lost.length !== eligible.length) {
    throw new OptionsError("E2002", `evenDropTest: ${lost.length} losses for ${eligible.length} classes`, {
      expected: eligible.length,
      actual: lost.length,
    });
  }
  let losses = 0;
  let images = 0;
  let classes = 0;
  for (let c = 0; c < lost.length; c++) {
    requireCount(`evenDropTest (class ${c})`, eligible[c]!);
    requireCount(`evenDropTest (class ${c})`, lost[c]!, eligible[c]!);
    losses += lost[c]!;
    images += eligible[c]!;
    if (eligible[c]! > 0) classes++;
  }
  const rate = images === 0 ? 0 : losses / images;
  const degreesOfFreedom = Math.max(0, classes - 1);
  if (rate === 0 || rate === 1) return { statistic: 0, degreesOfFreedom, p: 1, smallestExpected: 0 };
  let statistic = 0;
  let smallestExpected = Infinity;
  for (let c = 0; c < lost.length; c++) {
    const n = eligible[c]!;
    if (n === 0) continue;
    const difference = lost[c]! - n * rate;
    // Both cells of a column differ by the same amount: d²/(n·r) + d²/(n·(1−r)).
    statistic += (difference * difference) / (n * rate * (1 - rate));
    smallestExpected = Math.min(smallestExpected, n * rate, n * (1 - rate));
  }
  return { statistic, degreesOfFreedom, p: chiSquareTail(statistic, degreesOfFreedom), smallestExpected };
}
