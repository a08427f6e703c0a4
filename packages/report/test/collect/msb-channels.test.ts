import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { encodingFromRange, labelOf, linearLayers, parseModel, WEIGHT_ENCODING } from "@equant/core/lab";
import fc from "fast-check";
import { expect, test } from "vitest";
import { CHANNELS_KEPT, ChannelBits } from "../../src/collect/msb-channels.js";
import { CHARTS, msbRow, msbSteps } from "../../src/index.js";
import { expectChart } from "../helpers.js";

const model = parseModel(readFileSync(fileURLToPath(new URL("../../../cli/assets/digits.onnx", import.meta.url))));
const layers = linearLayers(model.graph);
const rowOf = (at: number) => {
  const layer = layers[at]!;
  const values = layer.tensor.array() as Float32Array;
  const range = { min: Math.min(...values), max: Math.max(...values) };
  const encoding = encodingFromRange(range, WEIGHT_ENCODING);
  const what = { layer: labelOf(layer.node), tensor: layer.weight, kind: "weights" as const };
  return { row: msbRow(what, values, encoding, layer.tensor.dims, layer), layer, values, encoding };
};

test("channels of a layer add up to its row, and are what a naive count finds", () => {
  const { row, layer, values, encoding } = rowOf(0);
  expect(row.channelCount).toBe(layer.outChannels);
  const channels = row.channels!;
  expect(channels).toHaveLength(layer.outChannels);
  const sum = (key: "zeros" | "total" | "overflow" | "underflow") => channels.reduce((n, c) => n + c[key], 0);
  expect([sum("zeros"), sum("total"), sum("overflow"), sum("underflow")]).toEqual([
    row.zeros,
    row.total,
    row.overflow,
    row.underflow,
  ]);
  const size = values.length / layer.outChannels;
  for (const { channel, first, positive, negative, underflow } of channels) {
    const own = [...values.subarray(channel * size, (channel + 1) * size)];
    const naive = new Map<number, number>();
    for (const x of own) if (x !== 0) naive.set(Math.floor(Math.log2(Math.abs(x))), 0);
    for (const x of own)
      if (x !== 0) naive.set(Math.floor(Math.log2(Math.abs(x))), naive.get(Math.floor(Math.log2(Math.abs(x))))! + 1);
    const found = positive.flatMap((n, i) => (n + negative[i]! > 0 ? [[first + i, n + negative[i]!] as const] : []));
    expect(found).toEqual([...naive].sort(([a], [b]) => a - b));
    expect(underflow).toBe(own.filter((x) => x !== 0 && Math.abs(x) <= encoding.scale[0]! / 2).length);
  }
});

test("only the channels that lose most are kept, the worst first", () => {
  const { row } = rowOf(2);
  expect(row.channelCount).toBe(32);
  expect(row.channels).toHaveLength(CHANNELS_KEPT);
  const losses = row.channels!.map(({ overflow, underflow, total }) => (overflow + underflow) / total);
  expect(losses).toEqual([...losses].sort((a, b) => b - a));
});

test("runs of an activation go to their channels, with one scale or one a channel", () => {
  const values = fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 24, maxLength: 24 });
  fc.assert(
    fc.property(values, fc.boolean(), (list, perChannel) => {
      const one = encodingFromRange({ min: -4, max: 4 }, { bits: 8, signed: true });
      const scale = Float32Array.of(one.scale[0]!, one.scale[0]! * 2, one.scale[0]! / 8);
      const zeroPoint = Int32Array.of(0, 0, 0);
      const encoding = perChannel ? { ...one, scale, zeroPoint, axis: 1 } : one;
      const bits = new ChannelBits(3, encoding);
      bits.addRuns(Float32Array.from(list), 4);
      for (const { channel, total, zeros, overflow } of bits.worst()) {
        const own = list.filter((_, at) => Math.floor(at / 4) % 3 === channel);
        const step = encoding.scale[perChannel ? channel : 0]!;
        expect(total).toBe(8);
        expect(zeros).toBe(own.filter((x) => x === 0).length);
        const limit = step * (encoding.qmax + 0.5);
        expect(overflow).toBe(own.filter((x) => Math.fround(Math.abs(x)) > limit).length);
      }
    }),
    { seed: 6, numRuns: 100 },
  );
});

test("a row opens into its channels, and into MathWorks' eight steps on its values", async () => {
  const { row } = rowOf(0);
  const chart = CHARTS["msb-channels"].draw(row)!;
  await expectChart(chart);
  expect(chart.summary).toMatch(/^8 channels: channel \d loses [\d.]+ % of its values/);
  const steps = msbSteps(row)!;
  expect(steps).toHaveLength(8);
  for (const step of steps) expect(step).toMatch(/^[A-Z].*\.$/);
  expect(steps.join(" ")).not.toMatch(/NaN|undefined|Infinity/);
  expect(msbSteps({ ...row, examples: [] })).toBeUndefined();
  expect(CHARTS["msb-channels"].draw({ ...row, encoding: null })).toBeUndefined();
  // The 32 bits of a bias are too many for words side by side.
  const bias = { ...row.encoding!, bits: 32, qmin: -(2 ** 31), qmax: 2 ** 31 - 1 };
  expect(msbSteps({ ...row, encoding: bias })).toBeUndefined();
  expect(CHARTS["msb-bits"].draw({ ...row, encoding: bias })).toBeUndefined();
});
