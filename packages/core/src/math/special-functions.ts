const LN_SQRT_2PI = 0.9189385332046728;

/** ln Γ(x) for x > 0, to about 1e-14: Stirling's series, reached by the recurrence Γ(x+1) = x·Γ(x). */
export function lnGamma(x: number): number {
  let shift = 0;
  let z = x;
  if (z < 12) {
    let product = 1;
    for (; z < 12; z++) product *= z;
    shift = Math.log(product);
  }
  return (z - 0.5) * Math.log(z) - z + LN_SQRT_2PI + stirlingSeries(z) - shift;
}

/** 1/(12z) − 1/(360z³) + 1/(1260z⁵) − …: what Stirling's formula for ln Γ(z) lacks, for z ≥ 12. */
function stirlingSeries(z: number): number {
  const r = 1 / (z * z);
  return (1 / 12 - r * (1 / 360 - r * (1 / 1260 - r * (1 / 1680 - r / 1188)))) / z;
}

/**
 * Regularised upper incomplete gamma function Q(a, x) = Γ(a, x)/Γ(a), a > 0, x ≥ 0: the power series of P below a + 1,
 * Lentz's continued fraction above (NIST DLMF 8.7.1 and 8.9.2).
 */
export function upperGamma(a: number, x: number): number {
  if (!(x > 0)) return 1;
  if (x === Infinity) return 0;
  const front = Math.exp(a * Math.log(x) - x - lnGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; term > sum * 1e-17; n++) {
      term *= x / (a + n);
      sum += term;
    }
    return Math.max(0, 1 - front * sum);
  }
  const tiny = 1e-300;
  let b = x + 1 - a;
  let c = 1 / tiny;
  let d = 1 / b;
  let fraction = d;
  for (let i = 1; i < 100_000; i++) {
    const numerator = -i * (i - a);
    b += 2;
    d = numerator * d + b;
    d = 1 / (Math.abs(d) < tiny ? tiny : d);
    c = b + numerator / c;
    if (Math.abs(c) < tiny) c = tiny;
    const factor = c * d;
    fraction *= factor;
    if (Math.abs(factor - 1) < 1e-16) break;
  }
  return front * fraction;
}

/** Standard normal quantile, by Newton's method on the upper tail Q(½, z²/2)/2. */
export function normalQuantile(p: number): number {
  if (p === 0.5) return 0;
  if (!(p > 0 && p < 1)) return p === 0 ? -Infinity : p === 1 ? Infinity : Number.NaN;
  // Newton from the left: the tail is convex there, so the iteration rises to the root and never passes it.
  const tail = Math.min(p, 1 - p);
  let z = 0;
  for (let i = 0; i < 200; i++) {
    const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
    const step = (upperGamma(0.5, (z * z) / 2) / 2 - tail) / density;
    z += step;
    if (Math.abs(step) <= 1e-15 * z) break;
  }
  return p < 0.5 ? -z : z;
}
