import { describe, expect, test } from "vitest";
import { isNonNegative } from "../../src/bounds/known-sign.js";
import { Calibration, calibrate, type StatisticsRequest } from "../../src/calibrate/index.js";
import { type Dataset, randomDataset, subset } from "../../src/data/index.js";
import { indexGraph, type Model } from "../../src/graph/index.js";
import { runner } from "../helpers/runner.js";
import { type NaiveStatistics, naiveStatistics } from "./naive.js";
import { allValues, OTHER_RANKS, randomNetwork } from "./networks.js";

const context = { runner };
const images = (count: number, seed = 3) => randomDataset([3, 48, 48], count, seed, { min: -1, max: 1 });

function requestsFor(model: Model, what: Partial<StatisticsRequest>): StatisticsRequest[] {
  const request = { moments: false, exactMinimum: false, histogram: false, ...what };
  return allValues(model.graph).map((value) => ({ ...request, value }));
}

const EVERYTHING = { moments: true, exactMinimum: true, histogram: true };

function compare(calibration: Calibration, naive: ReadonlyMap<string, NaiveStatistics>): void {
  expect([...calibration.values.keys()]).toEqual([...naive.keys()]);
  for (const [value, expected] of naive) {
    const { min, max, count, channels, histogram } = calibration.get(value);
    expect({ value, min, max, count }).toEqual({ value, min: expected.min, max: expected.max, count: expected.count });
    expect([...channels!.min], value).toEqual(expected.channels.min);
    expect([...channels!.max], value).toEqual(expected.channels.max);
    expect(channels!.count, value).toBe(expected.channels.count);
    const bins = new Map<number, number>();
    for (const [bin, n] of histogram!.counts.entries()) if (n > 0) bins.set(bin, n);
    expect(bins, value).toEqual(new Map([...expected.bins].sort(([a], [b]) => a - b)));
    expect([histogram!.min, histogram!.max], value).toEqual([expected.min, expected.max]);
    const stats = calibration.activationStats().get(value)!;
    expected.channels.sum.forEach((sum, c) => {
      const meanSquare = expected.channels.squares[c]! / expected.channels.count;
      const tolerance = 1e-5 * Math.sqrt(meanSquare) + 1e-12;
      expect(Math.abs(stats.mean[c]! - sum / expected.channels.count), value).toBeLessThan(tolerance);
      expect(Math.abs(stats.meanSquare[c]! - meanSquare), value).toBeLessThan(1e-5 * meanSquare + 1e-12);
    });
  }
}

describe("statistics against a loop over every element", () => {
  test.each([1, 2, 3, 4, 5, 6])("random network %i: ranges, channels, moments, histograms", async (seed) => {
    const model = randomNetwork(seed);
    const dataset = images(5);
    const requests = requestsFor(model, EVERYTHING);
    const calibration = await calibrate(model, { requests, batchSize: 2 }, { ...context, data: dataset });
    compare(calibration, await naiveStatistics(model, dataset, allValues(model.graph)));
  });

  test.each(Object.entries(OTHER_RANKS))("%s", async (_, { sample, build }) => {
    const model = build();
    const dataset = randomDataset(sample, 5, 9, { min: -1, max: 1 });
    const requests = requestsFor(model, EVERYTHING);
    const calibration = await calibrate(model, { requests, batchSize: 3 }, { ...context, data: dataset });
    compare(calibration, await naiveStatistics(model, dataset, allValues(model.graph)));
  });

  test.each([7, 8, 9])(
    "random network %i, least effort: exact but for minima that are known not to be negative",
    async (seed) => {
      const model = randomNetwork(seed);
      const dataset = images(3);
      const requests = requestsFor(model, {});
      const calibration = await calibrate(model, { requests }, { ...context, data: dataset });
      const naive = await naiveStatistics(model, dataset, allValues(model.graph));
      const index = indexGraph(model.graph);
      for (const [value, expected] of naive) {
        const { min, max, channels, histogram } = calibration.get(value);
        expect(max, value).toBe(expected.max);
        if (isNonNegative(model.graph, index, value)) expect([0, expected.min], value).toContain(min);
        else expect(min, value).toBe(expected.min);
        expect([...channels!.max], value).toEqual(expected.channels.max);
        expect(channels!.sum, value).toBeUndefined();
        expect(histogram, value).toBeUndefined();
      }
    },
  );
});

/** Texts without the sums, whose last bits depend on the grouping. */
const exactPart = (calibration: Calibration) =>
  calibration.serialize().replace(/"(sum|sumSquares|sumOfSquares)":(\[[^\]]*\]|[^,}]+)/g, '"$1":0');

test.each([{}, EVERYTHING])("the batch size changes nothing (%o)", async (what) => {
  const model = randomNetwork(4);
  const dataset = images(11);
  const requests = requestsFor(model, what);
  const texts = await Promise.all(
    [1, 8, 3, 11, undefined].map(async (batchSize) => {
      const options = { requests, ...(batchSize !== undefined && { batchSize }) };
      return exactPart(await calibrate(model, options, { ...context, data: dataset }));
    }),
  );
  expect(new Set(texts).size).toBe(1);
});

test("merging is the statistics of all samples together", async () => {
  const model = randomNetwork(5);
  const dataset = images(9);
  const requests = requestsFor(model, EVERYTHING);
  const collect = (part: Dataset) => calibrate(model, { requests, batchSize: 2 }, { ...context, data: part });
  const whole = await collect(dataset);
  const parts = await Promise.all(
    [[0, 1, 2, 3], [4], [5, 6, 7, 8]].map((indices) => collect(subset(dataset, indices))),
  );
  const [a, b, c] = parts as [Calibration, Calibration, Calibration];
  const withoutConvergence = (calibration: Calibration) =>
    exactPart(calibration).replace(/"lastWidening":\[[^\]]*\]/, "");
  for (const merged of [a.merge(b).merge(c), c.merge(a.merge(b)), b.merge(c).merge(a)]) {
    expect(withoutConvergence(merged)).toBe(withoutConvergence(whole));
    expect(merged.rangeConvergence()).toBeUndefined();
  }
  const before = a.serialize();
  a.merge(b);
  expect(a.serialize()).toBe(before);
});

test("the text of calibration.json survives a round trip byte for byte", async () => {
  const model = randomNetwork(6);
  const requests = requestsFor(model, EVERYTHING);
  const calibration = (await calibrate(model, { requests }, { ...context, data: images(3) })).forModel("ab12");
  const text = calibration.serialize();
  const read = Calibration.parse(text);
  expect(read.serialize()).toBe(text);
  expect(read).toMatchObject({ samples: 3, complete: true, random: true });
  expect(read.get("input").channelStats()).toEqual(calibration.get("input").channelStats());
});
