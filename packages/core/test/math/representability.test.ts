import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodingFromRange, encodingFromScale } from "../../src/math/encoding.js";
import { fixedPointType } from "../../src/math/fixed-point.js";
import { representability } from "../../src/math/representability.js";
import { ValueHistogram } from "../../src/math/value-histogram.js";
import { DISTRIBUTIONS, wildFloats } from "./samples.js";

describe("representability of values", () => {
  test("MathWorks' example: one underflow, one overflow, one precision loss that is neither", () => {
    const type = fixedPointType({ msb: 3, lsb: -3 });
    const values = Float32Array.of(0.03125, 2.1, 16.25, 0);
    const expected = { total: 4, zeros: 1, underflow: 1, overflow: 1, nan: 0 };
    expect(representability(values, type, { rounding: "half-away" })).toEqual({ ...expected, exact: true });
  });

  test("ties at half a step underflow to even, not away from zero; just above they survive", () => {
    const type = encodingFromScale({ scale: [1], dtype: "int8" });
    const values = Float32Array.of(0.5, -0.5, 0.50000006, 0.49999997);
    expect(representability(values, type).underflow).toBe(3);
    expect(representability(values, type, { rounding: "half-away" }).underflow).toBe(1);
  });

  test("overflow begins where the rounded integer leaves the type", () => {
    const type = encodingFromScale({ scale: [1], dtype: "int8" });
    const values = Float32Array.of(127, 127.4, 127.5, 128, -128, -128.5, -128.6, Infinity, -Infinity, Number.NaN);
    expect(representability(values, type)).toMatchObject({ overflow: 5, nan: 1, underflow: 0, total: 10 });
    expect(representability(values, type, { rounding: "half-away" })).toMatchObject({ overflow: 6 });
  });

  test("negative values of an unsigned type without zero point overflow, unless they round to 0", () => {
    const type = encodingFromScale({ scale: [1], dtype: "uint8" });
    expect(representability(Float32Array.of(-0.4, -0.6, -7), type)).toMatchObject({ underflow: 1, overflow: 2 });
  });

  test("a range measured on the data itself never overflows", () => {
    for (const sample of Object.values(DISTRIBUTIONS)) {
      const values = sample(5000);
      const range = { min: Math.min(...values), max: Math.max(...values) };
      for (const bits of [2, 4, 8, 16]) {
        expect(representability(values, encodingFromRange(range, { bits })).overflow).toBe(0);
      }
    }
  });

  test("per channel, by the channel's own type", () => {
    const type = encodingFromScale({ scale: [1, 0.01], dtype: "int8", axis: 1 });
    const values = Float32Array.of(0.4, 0.4, 2, 2, 0.4, 0.004, 2, 1);
    expect(representability(values, type, { dims: [2, 2, 2] })).toMatchObject({ underflow: 4, overflow: 3 });
  });
});

test("many values are counted as each of them alone is, whatever their bits, the scale and the zero point", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { minLength: 20, maxLength: 60 }),
      fc.double({ min: 2 ** -126, max: 2 ** 100, noNaN: true }).map((x) => Math.max(Math.fround(x), 2 ** -126)),
      fc.integer({ min: 0, max: 255 }),
      fc.constantFrom("half-even" as const, "half-away" as const),
      (words, scale, zeroPoint, rounding) => {
        const type = encodingFromScale({ scale: [scale], zeroPoint: [zeroPoint], dtype: "uint8" });
        // The edges themselves and their neighbours, besides any bits.
        const edges = [-0.5, 0.5, -zeroPoint, -zeroPoint - 0.5, 255.5 - zeroPoint].flatMap((at) =>
          [1 - 2 ** -23, 1, 1 + 2 ** -23].map((near) => Math.fround(at * scale * near)),
        );
        const some = [
          ...new Float32Array(Int32Array.from(words).buffer),
          ...edges,
          Infinity,
          -Infinity,
          Number.NaN,
          -0,
        ];
        const values = Float32Array.from({ length: 600 }, (_, i) => some[i % some.length]!);
        const alone = { zeros: 0, underflow: 0, overflow: 0, nan: 0 };
        for (const value of values) {
          const own = representability(Float32Array.of(value), type, { rounding });
          for (const key of ["zeros", "underflow", "overflow", "nan"] as const) alone[key] += own[key];
        }
        expect(representability(values, type, { rounding })).toMatchObject(alone);
      },
    ),
    { seed: 7, numRuns: 200 },
  );
});

describe("representability of a histogram", () => {
  test("is close to the exact counts", () => {
    for (const sample of Object.values(DISTRIBUTIONS)) {
      const values = sample(100_000);
      const histogram = ValueHistogram.of(values);
      for (const scale of [0.004, 0.02, 0.1]) {
        for (const dtype of ["int8", "uint8"] as const) {
          const type = encodingFromScale({ scale: [scale], dtype, zeroPoint: [dtype === "int8" ? 0 : 60] });
          const exact = representability(values, type);
          const estimate = representability(histogram, type);
          expect(estimate).toMatchObject({ total: 100_000, zeros: exact.zeros, nan: 0, exact: false });
          // The bin at the threshold holds at most 6 % of the values up to there, or of the values of its size.
          expect(Math.abs(estimate.underflow - exact.underflow)).toBeLessThanOrEqual(0.02 * exact.underflow + 30);
          expect(Math.abs(estimate.overflow - exact.overflow)).toBeLessThanOrEqual(0.02 * exact.overflow + 60);
        }
      }
    }
  });

  test("counts infinities as overflow, and knows NaN", () => {
    const values = wildFloats(10_000, 9);
    const type = encodingFromScale({ scale: [2 ** 100], dtype: "int16" });
    const exact = representability(values, type);
    const estimate = representability(ValueHistogram.of(values), type);
    expect(estimate).toMatchObject({ total: exact.total, zeros: exact.zeros, nan: exact.nan });
    expect(Math.abs(estimate.overflow - exact.overflow)).toBeLessThan(30);
    expect(Math.abs(estimate.underflow - exact.underflow)).toBeLessThan(30);
  });

  test("needs a single scale", () => {
    const type = encodingFromScale({ scale: [1, 1], dtype: "int8", axis: 0 });
    expect(() => representability(new ValueHistogram(), type)).toThrow("2 scales for one histogram, expected 1");
  });
});
