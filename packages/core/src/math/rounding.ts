/**
 * How a number halfway between two integers is rounded.
 * `half-even`: to the even one, as ONNX QuantizeLinear. `half-away`: away from zero, as MATLAB's `round` (MathWorks' quantization page).
 */
export type Rounding = "half-even" | "half-away";

/** Doubles of this magnitude or more have no fraction. */
const INTEGERS_FROM = 2 ** 52;

/**
 * Nearest integer, ties to the even one: 0.5 → 0, 1.5 → 2, 2.5 → 2, −0.5 → −0, −1.5 → −2 (IEEE 754 roundToIntegralTiesToEven).
 * Values of 2⁵² and more are integers already and come back unchanged, as do ±∞, −0 and NaN.
 */
export function roundHalfEven(x: number): number {
  // Adding 2^52 leaves no room for a fraction, so the adder itself rounds to the nearest integer, ties to even.
  if (x > 0) return x < INTEGERS_FROM ? x + INTEGERS_FROM - INTEGERS_FROM : x;
  if (x < 0) return x > -INTEGERS_FROM ? -(INTEGERS_FROM - x - INTEGERS_FROM) : x;
  return x;
}

/**
 * Nearest integer, ties away from zero: 0.5 → 1, 2.5 → 3, −0.5 → −1, −2.5 → −3.
 * 0.49999999999999994 → 0 (adding ½ first would give 1). Values of 2⁵² and more, ±∞, −0 and NaN come back unchanged.
 */
export function roundHalfAwayFromZero(x: number): number {
  const whole = Math.trunc(x);
  const fraction = x - whole; // exact: both have the same exponent range, and whole is a prefix of x
  if (fraction >= 0.5) return whole + 1;
  if (fraction <= -0.5) return whole - 1;
  return whole;
}

/** The rounding function of a {@link Rounding}. */
export function roundingFunction(rounding: Rounding): (x: number) => number {
  return rounding === "half-away" ? roundHalfAwayFromZero : roundHalfEven;
}
