import fc from "fast-check";
import { expect, test } from "vitest";
import { roundHalfAwayFromZero, roundHalfEven, roundingFunction } from "../../src/math/rounding.js";

test.each([
  [0.5, 0, 1],
  [1.5, 2, 2],
  [2.5, 2, 3],
  [-0.5, -0, -1],
  [-1.5, -2, -2],
  [-2.5, -2, -3],
  [0.49999999999999994, 0, 0],
  [-0.49999999999999994, -0, -0],
  [0, 0, 0],
  [-0, -0, -0],
  [4503599627370495.5, 4503599627370496, 4503599627370496],
  [4503599627370494.5, 4503599627370494, 4503599627370495],
  [-4503599627370494.5, -4503599627370494, -4503599627370495],
  [4503599627370497, 4503599627370497, 4503599627370497],
  [2 ** 53 - 1, 2 ** 53 - 1, 2 ** 53 - 1],
  [1e300, 1e300, 1e300],
  [-1e300, -1e300, -1e300],
  [Infinity, Infinity, Infinity],
  [-Infinity, -Infinity, -Infinity],
  [Number.NaN, Number.NaN, Number.NaN],
])("%d rounds to %d (even), %d (away)", (x, even, away) => {
  expect(roundHalfEven(x)).toBe(even);
  expect(roundHalfAwayFromZero(x)).toBe(away);
});

test("both agree with exact integer arithmetic on eighths", () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), (eighths) => {
      const whole = Math.floor(eighths / 8);
      const rest = eighths - 8 * whole;
      const even = rest > 4 || (rest === 4 && whole % 2 !== 0) ? whole + 1 : whole;
      const away = rest > 4 || (rest === 4 && eighths > 0) ? whole + 1 : whole;
      expect(roundHalfEven(eighths / 8) + 0).toBe(even);
      expect(roundHalfAwayFromZero(eighths / 8) + 0).toBe(away);
    }),
    { seed: 11, numRuns: 2000 },
  );
});

test("the names choose the functions", () => {
  expect(roundingFunction("half-even")(2.5)).toBe(2);
  expect(roundingFunction("half-away")(2.5)).toBe(3);
});
