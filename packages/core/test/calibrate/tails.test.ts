import { describe, expect, test } from "vitest";
import { knownBounds } from "../../src/bounds/index.js";
import {
  Calibration,
  calibrate,
  extendedStats,
  type StatisticsRequest,
  valueTails,
} from "../../src/calibrate/index.js";
import { randomDataset, subset } from "../../src/data/index.js";
import { GraphBuilder, indexGraph, ints, Tensor } from "../../src/graph/index.js";
import { planQuantization, quantizationRequests, quantize } from "../../src/quantize/index.js";
import { exposeValues } from "../../src/runtime/index.js";
import { convReluConv } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";
import { allValues, randomNetwork } from "./networks.js";

const context = { runner };
const images = (count: number) => randomDataset([3, 48, 48], count, 3, { min: -1, max: 1 });
const tailsOf = (values: readonly string[]): StatisticsRequest[] =>
  values.map((value) => ({ value, moments: false, exactMinimum: true, histogram: false, tail: true }));

async function everyValue(seed: number, samples: number) {
  const model = randomNetwork(seed);
  const values = allValues(model.graph);
  const dataset = images(samples);
  const outputs = await runner.using(exposeValues(model, values), async (session) => {
    const runs = [];
    for (let i = 0; i < samples; i++) {
      const data = new Float32Array(3 * 48 * 48);
      await dataset.fill(i, data, 0);
      runs.push(await session.run({ input: { dtype: "float32", dims: [1, 3, 48, 48], data } }));
    }
    return runs;
  });
  return { model, values, dataset, outputs };
}

describe.each([1, 2, 3, 4])("random network %i", (seed) => {
  test("tails are the scatter of the samples' own extremes, and parts merge to the whole", async () => {
    const { model, values, dataset, outputs } = await everyValue(seed, 6);
    const requests = tailsOf(values);
    const whole = await calibrate(model, { requests, batchSize: 4 }, { ...context, data: dataset });
    const part = (indices: number[]) => calibrate(model, { requests }, { ...context, data: subset(dataset, indices) });
    const merged = (await part([0, 1, 2])).merge(await part([3, 4, 5]));
    const read = Calibration.parse(whole.serialize());
    // A value that lost its channels, by flattening say, has extremes of another shape.
    const withChannels = values.filter(
      (value) => (outputs[0]![value]!.dims[1] ?? 1) === whole.get(value).channelStats()!.max.length,
    );
    expect(withChannels.length).toBeGreaterThan(values.length / 2);
    for (const value of withChannels) {
      const channels = whole.get(value).channelStats()!.max.length;
      const scatter = Array.from({ length: channels }, (_, c) => {
        const tops = outputs.map((run) => {
          const data = run[value]!.data as Float32Array;
          const inner = data.length / channels;
          return data.subarray(c * inner, (c + 1) * inner).reduce((a, b) => Math.max(a, b));
        });
        const mean = tops.reduce((a, b) => a + b) / tops.length;
        return Math.sqrt(tops.reduce((sum, top) => sum + (top - mean) ** 2, 0) / tops.length);
      });
      const own = [...Array.from(whole.get(value).channelStats()!.tail!.high)];
      const size = Math.max(1e-3, ...scatter);
      for (const [c, expected] of scatter.entries()) {
        expect(Math.abs(own[c]! - expected), `${value} ${c}`).toBeLessThan(1e-4 * size + 1e-5);
      }
      const again = merged.get(value).channelStats()!.tail!;
      for (const [c, x] of Array.from(again.high).entries())
        expect(Math.abs(x - own[c]!)).toBeLessThan(1e-6 + 1e-4 * size);
      expect(read.get(value).channelStats()).toEqual(whole.get(value).channelStats());
    }
  });

  test("no value leaves its known bounds", async () => {
    const { model, values, outputs } = await everyValue(seed, 2);
    const index = indexGraph(model.graph);
    for (const value of values) {
      const { low, high } = knownBounds(model.graph, index, value);
      if (typeof low !== "number" || typeof high !== "number") throw new Error("no bound by channel was built");
      for (const run of outputs) {
        for (const x of run[value]!.data as Float32Array) {
          if (!(x >= low - 1e-6 && x <= high + 1e-6)) throw new Error(`${value}: ${x} is not in ${low} … ${high}`);
        }
      }
    }
  });
});

test("bounds come from clips, functions and constants by channel, through pools", () => {
  const { model, builder } = GraphBuilder.model("bounds", 17);
  const input = builder.input("input", ["N", 3, 8, 8]);
  const of = (value: string) => knownBounds(model.graph, indexGraph(model.graph), value);
  const bound = builder.constant(Tensor.float32([1, 3, 1, 1], Float32Array.of(1, 2, 3)));
  const relu = builder.node("Relu", [input]);
  const least = builder.node("Min", [relu, bound]);
  expect(of(input)).toEqual({ low: -Infinity, high: Infinity });
  expect(of(least)).toEqual({ low: 0, high: Float64Array.of(1, 2, 3) });
  const pooled = builder.node("MaxPool", [least], { kernel_shape: ints([2, 2]) });
  expect(of(pooled)).toEqual({ low: 0, high: Float64Array.of(1, 2, 3) });
  expect(of(builder.node("Flatten", [pooled]))).toEqual({ low: 0, high: 3 });
  const clip = builder.node("Clip", [input, builder.constant(1), builder.constant(6)]);
  expect(of(clip)).toEqual({ low: 1, high: 6 });
  // An average with padding counts zeros.
  expect(of(builder.node("AveragePool", [clip], { kernel_shape: ints([2, 2]) }))).toEqual({ low: 0, high: 6 });
  expect(of(builder.node("Clip", [input, builder.constant(0), builder.constant(-1)]))).toEqual({ low: -1, high: -1 });
  expect(of(builder.node("Add", [clip, clip]))).toEqual({ low: -Infinity, high: Infinity });
});

const rare = {
  min: [0, 0, 0],
  max: [6, 2, 1],
  mean: [0, 0, 0],
  meanSquare: [1, 1, 1],
  tail: { high: [1, 0.5, 0.5], low: [0, 0, 0], elements: 100 },
};

test("a channel at its bound has no tail; the others are extended, up to the bound", () => {
  const bounds = { low: 0, high: 6 };
  expect(valueTails(rare, bounds).tails.high.scale).toEqual(Float64Array.of(0, 0.5, 0.5));
  const { max, min } = extendedStats(rare, bounds, 255);
  expect(max[0]).toBe(6);
  expect(max[1]).toBeGreaterThan(2.5);
  expect(max[1]! - 2).toBeCloseTo(max[2]! - 1, 9);
  expect(Array.from(min)).toEqual([0, 0, 0]);
  expect(extendedStats(rare, { low: 0, high: Float64Array.of(6, 2.1, 6) }, 255).max[1]).toBe(2.1);
});

test("chooser 'tail' widens ranges, asks for what it needs, and is not for weights", async () => {
  const model = convReluConv({ channels: 3, seed: 4 });
  const dataset = randomDataset([3, 8, 8], 12, 1, { min: -1, max: 1 });
  const seen = await calibrate(model, { requests: quantizationRequests(model) }, { ...context, data: dataset });
  const tails = await calibrate(
    model,
    { requests: quantizationRequests(model, { calibrator: "tail" }) },
    { ...context, data: dataset },
  );
  const plain = planQuantization(model, tails, {}).activations;
  const wider = planQuantization(model, tails, { calibrator: "tail" }).activations;
  const ratios = [...plain].map(([value, { scale }]) => wider.get(value)!.scale[0]! / scale[0]!);
  for (const ratio of ratios) expect(ratio).toBeGreaterThanOrEqual(1);
  expect(Math.max(...ratios)).toBeGreaterThan(1.05);
  expect(() => planQuantization(model, seen, { calibrator: "tail" })).toThrow(
    expect.objectContaining({ code: "E4005", message: expect.stringContaining("needs the tails of value") }),
  );
  expect(() => quantize({ calibration: tails, weightCalibrator: "tail" })).toThrow(
    expect.objectContaining({ code: "E2004" }),
  );
});
