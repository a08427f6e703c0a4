import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fakeQuantizeValues } from "../../src/math/affine.js";
import { type EncodingOptions, encodingFromRange, encodingFromScale, type Range } from "../../src/math/encoding.js";
import { type ChooseRangeOptions, chooseRange, parseChooser } from "../../src/math/range.js";
import { klDivergence } from "../../src/math/range-entropy.js";
import { expectedQuantizationError } from "../../src/math/range-mse.js";
import { ValueHistogram } from "../../src/math/value-histogram.js";
import { DISTRIBUTIONS, meanSquaredError } from "./samples.js";

const names = Object.keys(DISTRIBUTIONS) as (keyof typeof DISTRIBUTIONS)[];
const choosers = ["minmax", "percentile:99", "percentile:99.99", "entropy", "mse"];
const weights = { signed: true, symmetric: true };
const activations = { signed: false, symmetric: false };
const choose = (values: Float32Array, options: ChooseRangeOptions) => chooseRange(ValueHistogram.of(values), options);
const errorOf = (values: Float32Array, range: Range, options: EncodingOptions) =>
  meanSquaredError(values, fakeQuantizeValues(values, encodingFromRange(range, options)));

describe("parseChooser", () => {
  test("reads every form", () => {
    expect(parseChooser("minmax")).toEqual({ kind: "minmax" });
    expect(parseChooser("percentile")).toEqual({ kind: "percentile", percent: 99.99 });
    expect(parseChooser("percentile:99.9")).toEqual({ kind: "percentile", percent: 99.9 });
    expect(parseChooser("entropy")).toEqual({ kind: "entropy" });
    expect(parseChooser("mse")).toEqual({ kind: "mse" });
  });

  test.each([
    ["kl", "E2004", "calibrator 'kl' is not one of minmax, tail, percentile:P, entropy, mse"],
    ["", "E2004", "is not one of"],
    ["mse:3", "E2004", "is not one of"],
    ["percentile:99:1", "E2004", "is not one of"],
    ["percentile:50", "E2002", "invalid percentile '50', expected above 50 up to 100"],
    ["percentile:100.1", "E2002", "invalid percentile"],
    ["percentile:", "E2002", "invalid percentile ''"],
    ["percentile:many", "E2002", "invalid percentile 'many'"],
  ])("rejects '%s'", (text, code, message) => {
    expect(() => parseChooser(text)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });
});

describe("every chooser", () => {
  const cases = choosers.flatMap((chooser) =>
    [weights, activations].map((grid) => [chooser, { chooser, ...grid }] as const),
  );

  test.each(cases)("%s, %o: decided cases", (_, options) => {
    const rangeOf = (...values: number[]) => choose(Float32Array.from(values), options);
    expect(rangeOf(0, 0, -0, 0)).toEqual({ min: 0, max: 0 });
    expect(rangeOf(3)).toEqual({ min: 0, max: 3 });
    expect(rangeOf(-3)).toEqual({ min: -3, max: 0 });
    expect(rangeOf(...new Array(1000).fill(0.7))).toEqual({ min: 0, max: Math.fround(0.7) });
    expect(rangeOf(...new Array(1000).fill(-6))).toEqual({ min: -6, max: 0 });
    expect(rangeOf(1e-45)).toEqual({ min: 0, max: 1.401298464324817e-45 });
  });

  test.each(cases)("%s, %o: one sign only", (_, options) => {
    const positive = DISTRIBUTIONS.relu(3000);
    const negative = positive.map((x) => -x);
    const range = choose(positive, options);
    expect(range.min).toBe(0);
    expect(range.max).toBeGreaterThan(1.5);
    const mirrored = choose(negative, options);
    expect(mirrored.max).toBe(0);
    if (options.symmetric) expect(mirrored.min).toBe(-range.max);
    else expect(mirrored.min / -range.max).toBeCloseTo(1, 1);
  });

  test.each(cases)(
    "%s, %o: contains 0, lies within the data, does not depend on how the data were cut",
    (_, options) => {
      fc.assert(
        fc.property(
          fc.float32Array({ minLength: 1, maxLength: 60, noNaN: true, noDefaultInfinity: true }),
          fc.integer({ min: 2, max: 16 }),
          fc.nat(60),
          (values, bits, cut) => {
            const histogram = ValueHistogram.of(values);
            const range = chooseRange(histogram, { ...options, bits });
            expect(range.min).toBeLessThanOrEqual(0);
            expect(range.max).toBeGreaterThanOrEqual(0);
            expect(range.min).toBeGreaterThanOrEqual(Math.min(0, histogram.min));
            expect(range.max).toBeLessThanOrEqual(Math.max(0, histogram.max));
            const merged = ValueHistogram.of(values.subarray(cut)).merge(ValueHistogram.of(values.subarray(0, cut)));
            expect(chooseRange(merged, { ...options, bits })).toEqual(range);
          },
        ),
        { seed: 21, numRuns: 60 },
      );
    },
  );

  test.each(cases)("%s, %o: NaN and infinities do not count", (_, options) => {
    const values = DISTRIBUTIONS.gaussian(2000);
    const dirty = Float32Array.of(Number.NaN, Infinity, -Infinity, ...values);
    expect(choose(dirty, options)).toEqual(choose(values, options));
  });

  test.each(cases)("%s, %o: no finite value is an error", (_, options) => {
    expect(() => choose(new Float32Array(0), options)).toThrow(expect.objectContaining({ code: "E5001" }));
    expect(() => choose(Float32Array.of(Number.NaN), options)).toThrow("the histogram holds no finite value");
  });
});

describe("minmax", () => {
  test("is exact, widened to 0, and needs no histogram", () => {
    expect(choose(Float32Array.of(0.1, 7.3, 2), { chooser: "minmax" })).toEqual({ min: 0, max: Math.fround(7.3) });
    expect(chooseRange({ min: 2, max: 5 })).toEqual({ min: 0, max: 5 });
    expect(chooseRange({ min: -1, max: 5 }, { chooser: "minmax" })).toEqual({ min: -1, max: 5 });
  });

  test("the others do need one", () => {
    for (const chooser of ["mse", "entropy", "percentile:99"]) {
      expect(() => chooseRange({ min: 0, max: 1 }, { chooser })).toThrow(
        expect.objectContaining({ code: "E2004", message: expect.stringContaining("needs a histogram") }),
      );
    }
  });

  test("bad bits are rejected here already", () => {
    expect(() => chooseRange({ min: 0, max: 1 }, { bits: 1 })).toThrow("invalid bits 1, expected 2-16");
  });
});

describe("percentile", () => {
  /** Outermost value that is kept when `budget` values are clipped. */
  const kept = (sorted: Float32Array, budget: number) => sorted[sorted.length - 1 - budget]!;

  test.each(names)("%s: within one bin of the sorted sample", (name) => {
    for (const n of [300, 5000, 40_000]) {
      const values = DISTRIBUTIONS[name](n);
      const magnitudes = values.map(Math.abs).sort();
      const ascending = values.slice().sort();
      const mirrored = values.map((x) => -x).sort();
      for (const percent of [95, 99, 99.9, 99.99]) {
        const budget = Math.floor((n * (100 - percent)) / 100 + 1e-6);
        const near = (got: number, exact: number) => {
          expect(Math.abs(got - exact)).toBeLessThanOrEqual(0.0625 * Math.abs(exact));
        };
        const magnitude = kept(magnitudes, budget);
        const symmetric = choose(values, { chooser: `percentile:${percent}`, ...weights });
        near(Math.max(-symmetric.min, symmetric.max), magnitude);
        const oneSided = name === "relu";
        const each = oneSided ? budget : Math.floor(budget / 2);
        const affine = choose(values, { chooser: `percentile:${percent}`, ...activations });
        near(affine.max, kept(ascending, each));
        near(affine.min, oneSided ? 0 : -kept(mirrored, each));
      }
    }
  });

  test("is the exact range when there is nothing to clip", () => {
    const values = DISTRIBUTIONS.gaussian(500);
    for (const grid of [weights, activations]) {
      expect(choose(values, { chooser: "percentile:99.99", ...grid })).toEqual(choose(values, { ...grid }));
      expect(choose(values, { chooser: "percentile:100", ...grid })).toEqual(choose(values, { ...grid }));
    }
  });

  test("clips one in 10,000 of 10,000, in spite of 100 − 99.99 not being 0.01", () => {
    const values = DISTRIBUTIONS.relu(10_000);
    values[17] = 1000;
    expect(choose(values, { chooser: "percentile:99.99", ...activations }).max).toBeLessThan(10);
  });

  test("mostly zeros: the range may shrink to nothing, and says so", () => {
    const values = new Float32Array(1000);
    values[0] = 5;
    values[1] = -5;
    expect(choose(values, { chooser: "percentile:99", ...weights })).toEqual({ min: 0, max: 0 });
    expect(choose(values, { chooser: "percentile:99", ...activations })).toEqual({ min: 0, max: 0 });
  });
});

describe("mse", () => {
  /** Least error over a dense grid of ranges, on the samples themselves. */
  function bruteForce(values: Float32Array, options: EncodingOptions & { symmetric: boolean }): number {
    let low = 0;
    let high = 0;
    for (const x of values) {
      low = Math.min(low, x);
      high = Math.max(high, x);
    }
    let best = Infinity;
    const full = Math.max(-low, high);
    if (options.symmetric || low === 0) {
      for (let limit = full; limit > full / 64; limit *= 0.985) {
        const range = { min: Math.max(low, -limit), max: Math.min(high, limit) };
        best = Math.min(best, errorOf(values, range, options));
      }
      return best;
    }
    for (let a = 1; a > 1 / 40; a *= 0.88) {
      for (let b = 1; b > 1 / 40; b *= 0.88) {
        best = Math.min(best, errorOf(values, { min: low * a, max: high * b }, options));
      }
    }
    return best;
  }

  test.each(
    names.flatMap((name) => [8, 4].flatMap((bits) => [weights, activations].map((grid) => ({ name, bits, ...grid })))),
  )("$name, $bits bits, symmetric $symmetric: within 2 % of the best error by brute force", ({ name, ...options }) => {
    const values = DISTRIBUTIONS[name](10_000);
    const range = choose(values, { chooser: "mse", ...options });
    expect(errorOf(values, range, options)).toBeLessThanOrEqual(1.02 * bruteForce(values, options));
  });

  test("predicts the error it minimises: within 5 % of the measured one", () => {
    for (const name of names) {
      const values = DISTRIBUTIONS[name](40_000);
      const histogram = ValueHistogram.of(values);
      for (const bits of [3, 4, 8]) {
        for (const grid of [weights, activations]) {
          for (const clip of [1, 0.5, 0.1]) {
            const range = { min: Math.min(histogram.min, 0) * clip, max: histogram.max * clip };
            const predicted = expectedQuantizationError(histogram, encodingFromRange(range, { bits, ...grid }));
            const measured = errorOf(values, range, { bits, ...grid });
            expect(Math.abs(predicted / measured - 1), `${name} ${bits} ${clip}`).toBeLessThan(0.05);
          }
        }
      }
    }
  });

  test("an empty histogram and exact values cost nothing", () => {
    const type = encodingFromScale({ scale: [0.5], dtype: "int8" });
    expect(expectedQuantizationError(new ValueHistogram(), type)).toBe(0);
    expect(expectedQuantizationError(ValueHistogram.of(Float32Array.of(2.5, 2.5, 0)), type)).toBe(0);
    // 2.6 is 0.1 from the grid, and so is 70 from 63.5 by clipping: (0.01 + 42.25)/2, both known exactly.
    expect(expectedQuantizationError(ValueHistogram.of(Float32Array.of(2.6, 70)), type)).toBeCloseTo(21.13, 5);
  });

  test("a huge outlier is clipped when it costs less than the coarser grid, and only then", () => {
    const values = DISTRIBUTIONS.gaussian(100_000);
    values[5] = 20;
    expect(choose(values, { chooser: "mse", bits: 4, ...weights }).max).toBeLessThan(4);
    values[5] = 1e6;
    // One value in 10⁵ off by 10⁶ is worse than losing all others: the mean square says keep it.
    expect(choose(values, { chooser: "mse", bits: 4, ...weights }).max).toBeGreaterThan(9e5);
  });

  test("power-of-two scales are searched as such", () => {
    const values = DISTRIBUTIONS.gaussian(20_000);
    const options = { bits: 4, ...weights, powerOfTwo: true };
    const found = errorOf(values, choose(values, { chooser: "mse", ...options }), options);
    const byScale = [-6, -5, -4, -3, -2, -1, 0, 1].map((k) =>
      meanSquaredError(
        values,
        fakeQuantizeValues(values, encodingFromScale({ scale: [2 ** k], dtype: "int4", narrow: true })),
      ),
    );
    expect(found).toBe(Math.min(...byScale));
  });
});

describe("entropy", () => {
  /** The definition, with lists: pieces of bins by step, then Σ p·log(p/q) piece by piece. */
  function naiveDivergence(histogram: ValueHistogram, scale: number, lo: number, hi: number): number {
    const { lower, upper, count } = histogram.sorted();
    const steps = new Map<number, { m: number; w: number }[]>();
    let clippedLow = 0;
    let clippedHigh = 0;
    const total = count.reduce((a, n) => a + n, 0);
    count.forEach((n, i) => {
      const from = lower[i]! / scale;
      const to = upper[i]! / scale;
      if (from === to) {
        const step = Math.round(from);
        if (step > hi) clippedHigh += n;
        else if (step < lo) clippedLow += n;
        else steps.set(step, [...(steps.get(step) ?? []), { m: n, w: 0 }]);
        return;
      }
      for (let step = Math.round(from) - 1; step <= Math.round(to) + 1; step++) {
        const width = Math.min(to, step + 0.5) - Math.max(from, step - 0.5);
        if (width <= 0) continue;
        const m = (n * width) / (to - from);
        if (step > hi) clippedHigh += m;
        else if (step < lo) clippedLow += m;
        else steps.set(step, [...(steps.get(step) ?? []), { m, w: width }]);
      }
    });
    const kept = total - clippedLow - clippedHigh;
    let sum = 0;
    for (const [step, parts] of steps) {
      const pieces: { m: number; w: number }[] = [];
      let open = { m: 0, w: 0 };
      for (const part of parts) {
        open = { m: open.m + part.m, w: open.w + part.w };
        if (open.w >= 1 / 16 || (open.w > 0 && open.m >= 32 && open.m >= total / 100)) {
          pieces.push(open);
          open = { m: 0, w: 0 };
        }
      }
      if (open.m > 0) pieces.push({ m: open.m, w: Math.max(open.w, 1 / 16) });
      const mass = pieces.reduce((a, p) => a + p.m, 0);
      const width = pieces.reduce((a, p) => a + p.w, 0);
      const split = (at: number, added: number) => {
        const piece = pieces[at]!;
        const w = Math.min(1 / 16, piece.w);
        const slice = (piece.m / piece.w) * w;
        pieces.splice(at, 1, { m: piece.m - slice, w: piece.w - w }, { m: slice + added, w });
      };
      if (step === lo && clippedLow > 0) split(0, clippedLow);
      if (step === hi && clippedHigh > 0) split(pieces.length - 1, clippedHigh);
      for (const { m, w } of pieces) {
        if (w <= 0) continue;
        sum += (m / total) * Math.log(m / total / ((mass * w) / width / kept));
      }
    }
    if ((clippedLow > 0 && !steps.has(lo)) || (clippedHigh > 0 && !steps.has(hi))) return Infinity;
    return sum;
  }

  test("divergence agrees with its definition, clipped or not, coarse or fine", () => {
    for (const name of names) {
      const histogram = ValueHistogram.of(DISTRIBUTIONS[name](3000));
      for (const scale of [0.01, 0.07, 0.31, 1.3]) {
        for (const zero of [0, 3]) {
          const type = encodingFromScale({ scale: [scale], zeroPoint: [zero], dtype: "int4" });
          const expected = naiveDivergence(histogram, type.scale[0]!, -8 - zero, 7 - zero);
          const got = klDivergence(histogram, type);
          if (expected === Infinity) expect(got).toBe(Infinity);
          else expect(Math.abs(got - expected)).toBeLessThan(1e-9);
        }
      }
    }
  });

  test("divergence is never negative, 0 for values that fill their steps evenly, and ignores exact zeros", () => {
    const even = Float32Array.from({ length: 16 * 64 }, (_, i) => 1 + i / 1024);
    const type = encodingFromScale({ scale: [2 ** -5], dtype: "uint8" });
    expect(klDivergence(ValueHistogram.of(even), type)).toBeLessThan(0.01);
    expect(klDivergence(new ValueHistogram(), type)).toBe(0);
    const values = DISTRIBUTIONS.gaussian(3000);
    const withZeros = Float32Array.of(...values, ...new Array(2000).fill(0));
    for (const scale of [0.01, 0.1, 1]) {
      const step = encodingFromScale({ scale: [scale], dtype: "int8" });
      const divergence = klDivergence(ValueHistogram.of(values), step);
      expect(divergence).toBeGreaterThanOrEqual(0);
      expect(klDivergence(ValueHistogram.of(withZeros), step)).toBe(divergence);
    }
  });

  test.each(names)("%s: never diverges more than the full range", (name) => {
    const histogram = ValueHistogram.of(DISTRIBUTIONS[name](20_000));
    for (const bits of [3, 4, 6, 8, 12, 16]) {
      for (const grid of [weights, activations]) {
        const options = { bits, ...grid };
        const full = klDivergence(histogram, encodingFromRange(histogram, options));
        const chosen = chooseRange(histogram, { chooser: "entropy", ...options });
        expect(klDivergence(histogram, encodingFromRange(chosen, options))).toBeLessThanOrEqual(full);
      }
    }
  });

  test("keeps nearly all of a uniform range", () => {
    for (const bits of [4, 8]) {
      const range = choose(DISTRIBUTIONS.uniform(100_000), { chooser: "entropy", bits, ...activations });
      expect(range.max - range.min).toBeGreaterThan(0.9 * 5);
    }
  });

  test("at 8 bits and 200,000 values its error is close to the least one for light tails, and it clips far outliers", () => {
    for (const name of ["gaussian", "laplace", "relu", "uniform"] as const) {
      const values = DISTRIBUTIONS[name](200_000);
      for (const grid of [weights, activations]) {
        const options = { bits: 8, ...grid };
        const least = errorOf(values, choose(values, { chooser: "mse", ...options }), options);
        const chosen = errorOf(values, choose(values, { chooser: "entropy", ...options }), options);
        expect(chosen, name).toBeLessThan(1.5 * least);
      }
    }
    const values = DISTRIBUTIONS.gaussian(200_000);
    values[3] = 1e6;
    const range = choose(values, { chooser: "entropy", bits: 8, ...weights });
    expect(range.max).toBeLessThan(6);
    expect(range.max).toBeGreaterThan(2.5);
  });
});
