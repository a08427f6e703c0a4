import { describe, expect, test } from "vitest";
import { BIN_EDGES, FINITE_BINS } from "../../src/math/histogram-bins.js";
import { msbHistogram } from "../../src/math/msb-histogram.js";
import { createRandom } from "../../src/math/random.js";
import { ValueHistogram, type ValueHistogramJson } from "../../src/math/value-histogram.js";
import { DISTRIBUTIONS, wildFloats } from "./samples.js";

/** Everything a histogram knows, one value at a time. */
function naive(values: Float32Array) {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const counts = new Float64Array(8192);
  const result = {
    counts,
    zeros: 0,
    nan: 0,
    positiveInfinity: 0,
    negativeInfinity: 0,
    total: 0,
    min: Infinity,
    max: -Infinity,
  };
  values.forEach((x, i) => {
    if (Number.isNaN(x)) result.nan++;
    else if (x === Infinity) result.positiveInfinity++;
    else if (x === -Infinity) result.negativeInfinity++;
    else {
      counts[bits[i]! >>> 19]!++;
      result.total++;
      if (x === 0) result.zeros++;
      result.min = Math.min(result.min, x) + 0;
      result.max = Math.max(result.max, x) + 0;
    }
  });
  return result;
}

const facts = (h: ValueHistogram) => {
  const { counts, zeros, nan, positiveInfinity, negativeInfinity, total, min, max } = h;
  return { counts, zeros, nan, positiveInfinity, negativeInfinity, total, min, max };
};

describe("ValueHistogram", () => {
  test("counts a million floats of every kind as a naive loop does", () => {
    const values = wildFloats(1_000_000, 1);
    expect(facts(ValueHistogram.of(values))).toEqual(naive(values));
  });

  test.each(Object.keys(DISTRIBUTIONS) as (keyof typeof DISTRIBUTIONS)[])("%s: counts and moments", (name) => {
    const values = DISTRIBUTIONS[name](50_001);
    const histogram = ValueHistogram.of(values);
    expect(facts(histogram)).toEqual(naive(values));
    const sum = values.reduce((a, x) => a + x, 0);
    const squares = values.reduce((a, x) => a + x * x, 0);
    expect(Math.abs(histogram.sum - sum)).toBeLessThan(1e-9 * squares);
    expect(histogram.sumOfSquares / squares).toBeCloseTo(1, 12);
  });

  test.each([1, 2, 3])("addCounts: the same counts as a naive loop, with a range from elsewhere (seed %i)", (seed) => {
    const values = seed === 1 ? wildFloats(300_001, seed) : DISTRIBUTIONS[seed === 2 ? "relu" : "gaussian"](300_001);
    const expected = naive(values);
    const histogram = new ValueHistogram();
    for (const [from, to] of [
      [0, 5],
      [5, 5],
      [5, 100_000],
      [100_000, values.length],
    ] as const) {
      histogram.addCounts(values, { min: expected.min, max: expected.max }, from, to);
    }
    expect(facts(histogram)).toEqual(expected);
    const whole = ValueHistogram.of(values);
    for (const negative of [false, true]) {
      expect(histogram.tinyByExponent(negative)).toEqual(whole.tinyByExponent(negative));
    }
    expect(histogram.sorted()).toEqual(whole.sorted());
    expect(histogram.sum).toBeNaN();
  });

  test("sums that were not collected are null in JSON and stay so through merging", () => {
    const counted = new ValueHistogram().addCounts(Float32Array.of(1, 2), { min: 1, max: 2 });
    const text = JSON.stringify(counted);
    expect(JSON.parse(text)).toMatchObject({ sum: null, sumOfSquares: null, min: 1, max: 2, total: 2 });
    const read = ValueHistogram.fromJSON(JSON.parse(text));
    expect(JSON.stringify(read)).toBe(text);
    expect(read.merge(ValueHistogram.of(Float32Array.of(3))).sum).toBeNaN();
    expect(new ValueHistogram().addCounts(new Float32Array(0), { min: 5, max: 6 })).toMatchObject({
      sum: 0,
      max: -Infinity,
    });
  });

  test("moments are those of the finite values when NaN and infinities are among them", () => {
    const clean = DISTRIBUTIONS.gaussian(20_000);
    const dirty = new Float32Array(clean.length + 3);
    dirty.set(clean.subarray(0, 9000));
    dirty.set([Number.NaN, Infinity, -Infinity], 9000);
    dirty.set(clean.subarray(9000), 9003);
    const histogram = ValueHistogram.of(dirty);
    expect(histogram.nonFinite).toBe(3);
    expect(histogram.total).toBe(20_000);
    expect(histogram.sum).toBeCloseTo(ValueHistogram.of(clean).sum, 8);
    expect(histogram.sumOfSquares).toBeCloseTo(ValueHistogram.of(clean).sumOfSquares, 8);
    expect([histogram.min, histogram.max]).toEqual([Math.min(...clean), Math.max(...clean)]);
  });

  test("counts a part of an array, and a view that does not begin at 0", () => {
    const values = wildFloats(1000, 2);
    expect(facts(new ValueHistogram().add(values, 13, 977))).toEqual(naive(values.slice(13, 977)));
    expect(facts(new ValueHistogram().add(values.subarray(7)))).toEqual(naive(values.slice(7)));
    expect(new ValueHistogram().add(values, 5, 5).total).toBe(0);
  });

  test("merging is exact: any cut, any order, any grouping gives the same counts", () => {
    const values = wildFloats(30_000, 3);
    const whole = facts(ValueHistogram.of(values));
    const random = createRandom(4);
    for (let round = 0; round < 10; round++) {
      const a = random.below(30_000);
      const b = a + random.below(30_000 - a);
      const parts = [values.subarray(0, a), values.subarray(a, b), values.subarray(b)].map((part) =>
        ValueHistogram.of(part),
      );
      const [x, y, z] = [0, 1, 2].map((i) => parts[(i + round) % 3]!) as [
        ValueHistogram,
        ValueHistogram,
        ValueHistogram,
      ];
      const merged = round % 2 ? x.merge(y).merge(z) : x.merge(y.merge(z));
      expect(facts(merged)).toEqual(whole);
      expect(msbHistogram(merged)).toEqual(msbHistogram(ValueHistogram.of(values)));
    }
    expect(facts(new ValueHistogram().merge(ValueHistogram.of(values)))).toEqual(whole);
  });

  test("may be read while it grows", () => {
    const histogram = new ValueHistogram();
    const values = DISTRIBUTIONS.relu(3000);
    for (let i = 0; i < 3; i++) {
      histogram.add(values, i * 1000, (i + 1) * 1000);
      expect(histogram.counts.reduce((a, n) => a + n, 0)).toBe((i + 1) * 1000);
      expect(histogram.zeros).toBe(values.subarray(0, (i + 1) * 1000).filter((x) => x === 0).length);
    }
  });

  test("−0 is a zero, and no minimum is −0", () => {
    const histogram = ValueHistogram.of(Float32Array.of(-0, 0, 3));
    expect([histogram.zeros, histogram.min]).toEqual([2, 0]);
  });

  test("bin edges are those of the floats", () => {
    const float = new Float32Array(1);
    const word = new Uint32Array(float.buffer);
    for (let i = 0; i < FINITE_BINS; i++) {
      word[0] = i << 19;
      expect(BIN_EDGES[i]).toBe(float[0]);
    }
    expect(BIN_EDGES[FINITE_BINS]).toBe(2 ** 128);
  });
});

describe("JSON", () => {
  test("round trip, also through text, of everything", () => {
    for (const values of [
      wildFloats(20_000, 5),
      DISTRIBUTIONS.relu(999),
      new Float32Array(0),
      Float32Array.of(0, -0),
    ]) {
      const histogram = ValueHistogram.of(values);
      const text = JSON.stringify(histogram);
      const again = ValueHistogram.fromJSON(JSON.parse(text) as ValueHistogramJson);
      expect(facts(again)).toEqual(facts(histogram));
      expect(msbHistogram(again)).toEqual(msbHistogram(histogram));
      expect(JSON.stringify(again)).toBe(text);
      expect(facts(again.add(values))).toEqual(facts(histogram.merge(ValueHistogram.of(values))));
    }
  });

  test("is small and says what it holds", () => {
    expect(ValueHistogram.of(Float32Array.of(1, 1, 1.0625, -2, 0, 1e-45, Infinity)).toJSON()).toEqual({
      schema: "equant.value-histogram/1",
      total: 6,
      nan: 0,
      positiveInfinity: 1,
      negativeInfinity: 0,
      min: -2,
      max: 1.0625,
      sum: 1.0625 + 1.401298464324817e-45,
      sumOfSquares: 7.12890625,
      runs: [
        [0, 2],
        [127 * 16, 2, 1],
        [4096 + 128 * 16, 1],
      ],
      tiny: [[0, 1]],
    });
    expect(JSON.stringify(ValueHistogram.of(DISTRIBUTIONS.gaussian(100_000))).length).toBeLessThan(4000);
  });

  test.each([
    ["another schema", { schema: "x" }],
    ["a count that is not one", { runs: [[0, -1]] }],
    ["a bin too many", { runs: [[8191, 1, 1]] }],
    ["bins of infinity", { runs: [[4080, 1]], total: 1 }],
    ["a total that differs", { total: 9 }],
    ["more tiny values than their bin", { tiny: [[0, 5]] }],
    ["no range", { min: null }],
    ["no sum", { sum: undefined }],
    ["a sum that is no number", { sum: "1" }],
    ["runs that are no list", { runs: 3 }],
    ["a fractional NaN count", { nan: 0.5 }],
  ])("rejects %s", (_, change) => {
    const json = { ...ValueHistogram.of(Float32Array.of(1, 2)).toJSON(), ...change } as unknown as ValueHistogramJson;
    expect(() => ValueHistogram.fromJSON(json)).toThrow(expect.objectContaining({ code: "E5002" }));
  });
});

describe("msbHistogram", () => {
  test("agrees with floor(log2|x|) on a million floats with denormals, zeros and infinities", () => {
    const values = wildFloats(1_000_000, 6);
    const positive = new Map<number, number>();
    const negative = new Map<number, number>();
    let zeros = 0;
    let total = 0;
    for (const x of values) {
      if (!Number.isFinite(x)) continue;
      total++;
      if (x === 0) {
        zeros++;
        continue;
      }
      // Math.log2 is not exact near powers of two: correct it by comparison.
      let exponent = Math.floor(Math.log2(Math.abs(x)));
      while (2 ** exponent > Math.abs(x)) exponent--;
      while (2 ** (exponent + 1) <= Math.abs(x)) exponent++;
      const side = x > 0 ? positive : negative;
      side.set(exponent, (side.get(exponent) ?? 0) + 1);
    }
    const msb = msbHistogram(ValueHistogram.of(values));
    const asMap = (counts: number[]) =>
      new Map(counts.map((n, i) => [msb.first + i, n] as const).filter(([, n]) => n > 0));
    const sorted = (map: Map<number, number>) => [...map].sort((a, b) => a[0] - b[0]);
    expect([msb.zeros, msb.total]).toEqual([zeros, total]);
    expect(sorted(asMap(msb.positive))).toEqual(sorted(positive));
    expect(sorted(asMap(msb.negative))).toEqual(sorted(negative));
    expect([msb.first, msb.positive.length]).toEqual([-149, 277]);
  });

  test("is cut to what is there", () => {
    const values = Float32Array.of(0.03125, 2.1, 16.25, 3, -1, 0);
    expect(msbHistogram(ValueHistogram.of(values))).toEqual({
      first: -5,
      positive: [1, 0, 0, 0, 0, 0, 2, 0, 0, 1],
      negative: [0, 0, 0, 0, 0, 1, 0, 0, 0, 0],
      zeros: 1,
      total: 6,
    });
    const zeros = msbHistogram(ValueHistogram.of(new Float32Array(4)));
    expect(zeros).toEqual({ first: 0, positive: [], negative: [], zeros: 4, total: 4 });
  });
});
