import { describe, expect, test } from "vitest";
import { RangeStats, type RangeStatsJson } from "../../src/math/range-stats.js";
import { DISTRIBUTIONS } from "./samples.js";

/** Statistics of one channel, straight from the definition. */
function naive(values: number[]) {
  const mean = values.reduce((a, x) => a + x, 0) / values.length;
  const meanSquare = values.reduce((a, x) => a + x * x, 0) / values.length;
  return { min: Math.min(...values), max: Math.max(...values), mean, meanSquare, count: values.length };
}

function channelOf(stats: RangeStats, c: number) {
  const [mean, meanSquare] = [stats.mean[c]!, stats.meanSquare[c]!];
  return { min: stats.min[c]!, max: stats.max[c]!, mean, meanSquare, count: stats.count[c]! };
}

function expectClose(got: ReturnType<typeof naive>, expected: ReturnType<typeof naive>) {
  const { mean, meanSquare, ...exact } = got;
  expect(exact).toEqual({ min: expected.min, max: expected.max, count: expected.count });
  expect(Math.abs(mean - expected.mean)).toBeLessThan(1e-12 * Math.sqrt(expected.meanSquare));
  expect(Math.abs(meanSquare / expected.meanSquare - 1)).toBeLessThan(1e-12);
}

const dims = [4, 3, 5, 7];
const values = DISTRIBUTIONS.gaussian(4 * 3 * 5 * 7);

describe("RangeStats", () => {
  test("per tensor", () => {
    expectClose(channelOf(new RangeStats().add(values), 0), naive([...values]));
  });

  test.each([0, 1, 2, 3, -1])("per channel of axis %d", (axis) => {
    const at = axis < 0 ? 4 + axis : axis;
    const channels = dims[at]!;
    const stats = new RangeStats(channels).add(values, dims, axis);
    const stride = dims.slice(at + 1).reduce((a, d) => a * d, 1);
    for (let c = 0; c < channels; c++) {
      const own = [...values].filter((_, i) => Math.floor(i / stride) % channels === c);
      expectClose(channelOf(stats, c), naive(own));
    }
    expectClose(channelOf(stats.perTensor(), 0), naive([...values]));
  });

  test("merging equals seeing everything: exact extremes and counts", () => {
    const whole = new RangeStats(3).add(values, dims, 1);
    const parts = [0, 1, 2, 3].map((i) =>
      new RangeStats(3).add(values.subarray(i * 105, (i + 1) * 105), [1, 3, 5, 7], 1),
    );
    const merged = parts.reduceRight((a, part) => a.merge(part), new RangeStats(3));
    for (let c = 0; c < 3; c++) expectClose(channelOf(merged, c), channelOf(whole, c));
  });

  test("statistics reduced elsewhere count like their values", () => {
    const whole = new RangeStats(3).add(values, dims, 1);
    const summed = new RangeStats(3);
    for (let i = 0; i < 4; i++) {
      const { min, max, mean, meanSquare } = new RangeStats(3).add(values.subarray(i * 105, (i + 1) * 105), [3, 35], 0);
      summed.addSummary({ min, max, mean, meanSquare, count: 35 });
    }
    for (let c = 0; c < 3; c++) expectClose(channelOf(summed, c), channelOf(whole, c));
    const before = JSON.stringify(summed);
    summed.addSummary({
      min: [Infinity, 0, 0],
      max: [0, 0, 0],
      mean: [Number.NaN, 0, 0],
      meanSquare: [0, 0, 0],
      count: 0,
    });
    expect(JSON.stringify(summed)).toBe(before);
  });

  test("a large offset loses nothing of the mean", () => {
    const shifted = values.map((x) => x + 1e6);
    expectClose(channelOf(new RangeStats().add(shifted), 0), naive([...shifted]));
  });

  test("NaN and infinities are counted and left out", () => {
    const dirty = Float32Array.of(Number.NaN, 1, Infinity, 3, -Infinity, -2);
    const stats = new RangeStats(2).add(dirty, [2, 3], 0);
    expect(stats.nonFinite).toBe(3);
    expect(channelOf(stats, 0)).toEqual({ min: 1, max: 1, mean: 1, meanSquare: 1, count: 1 });
    expect(channelOf(stats, 1)).toEqual({ min: -2, max: 3, mean: 0.5, meanSquare: 6.5, count: 2 });
    stats.addSummary({ min: [Number.NaN, 0], max: [1, 4], mean: [1, 2], meanSquare: [1, 8], count: 2 });
    expect(stats.nonFinite).toBe(4);
    expect([stats.count[0], stats.count[1], stats.max[1]]).toEqual([1, 4, 4]);
  });

  test("JSON round trip is exact, also of channels without values", () => {
    for (const stats of [
      new RangeStats(3).add(values, dims, 1),
      new RangeStats(2),
      new RangeStats().add(Float32Array.of(-0)),
    ]) {
      const text = JSON.stringify(stats);
      const again = RangeStats.fromJSON(JSON.parse(text) as RangeStatsJson);
      expect(again).toEqual(RangeStats.fromJSON(stats.toJSON()));
      expect(JSON.stringify(again)).toBe(text);
      expect(again.merge(stats).count).toEqual(stats.count.map((n) => 2 * n));
    }
    expect(new RangeStats().toJSON()).toMatchObject({ min: [null], max: [null] });
  });

  test("rejects what does not fit", () => {
    expect(() => new RangeStats(3).add(values)).toThrow("RangeStats.add: 1 channels, expected 3");
    expect(() => new RangeStats(3).add(values, [4, 3], 1)).toThrow("420 values do not fit shape [4, 3], axis 1");
    expect(() => new RangeStats(3).merge(new RangeStats(2))).toThrow("RangeStats.merge: 2 channels, expected 3");
    const json = new RangeStats(2).toJSON();
    for (const wrong of [{ ...json, schema: "x" }, { ...json, sum: [1] }, null]) {
      expect(() => RangeStats.fromJSON(wrong as RangeStatsJson)).toThrow(expect.objectContaining({ code: "E5002" }));
    }
  });
});
