import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  argmax,
  fiveNumbers,
  fromDb,
  median,
  quantile,
  quantiles,
  softmax,
  sqnr,
  sqnrDb,
  toDb,
  topK,
} from "../../src/math/statistics.js";

const numbers = fc.array(fc.oneof(fc.integer({ min: -5, max: 5 }), fc.double({ noDefaultInfinity: true })), {
  maxLength: 40,
});

describe("sqnr", () => {
  test("is E[Y²]/E[(Y−Ŷ)²]", () => {
    expect(sqnr([3, 4], [3, 3])).toBe(25);
    expect(sqnrDb([10, 0], [10, 1])).toBeCloseTo(20, 12);
    expect(toDb(1000)).toBeCloseTo(30, 12);
    expect(fromDb(30)).toBeCloseTo(1000, 9);
    expect(fromDb(toDb(0.37))).toBeCloseTo(0.37, 14);
  });

  test("decided cases", () => {
    expect(sqnr([1, 2], [1, 2])).toBe(Infinity);
    expect(sqnr([0, 0], [0, 0])).toBe(Infinity);
    expect(sqnr([0, 0], [0, 1])).toBe(0);
    expect(sqnrDb([0], [1])).toBe(-Infinity);
    expect(sqnr([1, Number.NaN], [1, 2])).toBeNaN();
    expect(sqnr([1, 2], [Infinity, 2])).toBeNaN();
    expect(sqnr([Infinity], [1])).toBeNaN();
    expect(() => sqnr([1], [1, 2])).toThrow("sqnr: 1 values against 2");
  });

  test("adds in float64: small noise on a large signal is not lost", () => {
    const signal = new Float32Array(1_000_000).fill(1);
    const noisy = signal.map((x, i) => (i % 2 ? x + 2 ** -12 : x));
    expect(sqnr(signal, noisy)).toBe(2 * 2 ** 24);
  });
});

describe("quantiles", () => {
  test("numpy.quantile's figures (numpy 2, default method)", () => {
    const values = Float32Array.of(3, -1, 4, 1, -5, 9, 2, 6);
    const got = quantiles(values, [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1]);
    [-5, -2.2, 0.5, 2.5, 4.5, 6.9, 9].forEach((expected, i) => {
      expect(got[i]).toBeCloseTo(expected, 12);
    });
    expect(values[0]).toBe(3);
    expect(fiveNumbers(values)).toEqual({ min: -5, q1: 0.5, median: 2.5, q3: 4.5, max: 9 });
  });

  test("decided cases", () => {
    expect(median([5])).toBe(5);
    expect(median([1, 2])).toBe(1.5);
    expect(median([])).toBeNaN();
    expect(median([1, Number.NaN, 2])).toBeNaN();
    expect(quantile([Infinity, Infinity, 1], 0.9)).toBe(Infinity);
    expect(() => quantile([1], 1.1)).toThrow("invalid share 1.1, expected 0-1");
  });
});

describe("topK and argmax", () => {
  test("agree with a stable sort: larger first, lower index first, NaN last", () => {
    fc.assert(
      fc.property(numbers, fc.nat(45), (values, k) => {
        const rank = (x: number) => (Number.isNaN(x) ? -Infinity : x);
        const order = values
          .map((_, i) => i)
          .sort((a, b) => {
            const [nanA, nanB] = [Number.isNaN(values[a]!), Number.isNaN(values[b]!)];
            if (nanA !== nanB) return nanA ? 1 : -1;
            return rank(values[b]!) === rank(values[a]!) ? a - b : rank(values[b]!) - rank(values[a]!);
          });
        expect(topK(values, k)).toEqual(order.slice(0, k));
        expect(argmax(values)).toBe(order[0] ?? -1);
      }),
      { seed: 31, numRuns: 500 },
    );
  });

  test("work on a row of a batch, with indices in the row", () => {
    const batch = Float32Array.of(9, 1, 5, 2, 8, 8);
    expect(topK(batch, 2, 3, 6)).toEqual([1, 2]);
    expect(argmax(batch, 3, 6)).toBe(1);
    expect(argmax(batch, 2, 2)).toBe(-1);
    expect(topK([Number.NaN, -Infinity], 2)).toEqual([1, 0]);
  });
});

describe("softmax", () => {
  test("sums to 1 and keeps ratios e^difference, without overflow", () => {
    const probabilities = softmax(Float32Array.of(1000, 1001, 990));
    expect(probabilities.reduce((a, p) => a + p, 0)).toBeCloseTo(1, 15);
    expect(probabilities[1]! / probabilities[0]!).toBeCloseTo(Math.E, 12);
    expect(probabilities[2]! / probabilities[0]!).toBeCloseTo(Math.exp(-10), 15);
  });

  test("decided cases", () => {
    expect([...softmax([])]).toEqual([]);
    expect([...softmax([-Infinity, 0])]).toEqual([0, 1]);
    expect([...softmax([Infinity, 0, Infinity])]).toEqual([0.5, 0, 0.5]);
    expect([...softmax([-Infinity, -Infinity])]).toEqual([0.5, 0.5]);
    expect(softmax([1, Number.NaN])[0]).toBeNaN();
    expect([...softmax([7, 1, 1, 7], 1, 3)]).toEqual([0.5, 0.5]);
  });
});
