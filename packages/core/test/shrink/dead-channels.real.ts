import { readFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import {
  type ActivationStats,
  batches,
  calibrate,
  cloneModel,
  type Dataset,
  deadChannelValues,
  type Model,
  type ObservedShapes,
  ORT_CHANNEL_MULTIPLE,
  parseModel,
  prepareModel,
  removeDeadChannels,
  spread,
} from "../../src/lab.js";
import { openDataset, sharpDecoder } from "../../src/node.js";
import { SHARED, sharedData } from "../data/shared.js";
import { runner } from "../helpers/runner.js";
import { driftOf, shapesOf } from "./helpers.js";

async function load(name: string): Promise<{ model: Model; shapes: ObservedShapes }> {
  const model = parseModel(new Uint8Array(readFileSync(join(SHARED, "models", `${name}.onnx`))));
  await prepareModel(model, { runner });
  return { model, shapes: await shapesOf(model) };
}

/** Outputs of every sample, one after the other. */
async function predictions(model: Model, dataset: Dataset): Promise<Float32Array[]> {
  return runner.using(model, async (session) => {
    const results: Float32Array[] = [];
    for await (const { data, dims, count } of batches(dataset, { batchSize: 10 })) {
      const feeds = { [session.inputNames[0]!]: { dtype: "float32" as const, dims, data } };
      const output = (await session.run(feeds))[session.outputNames[0]!]!.data as Float32Array;
      const classes = output.length / count;
      for (let k = 0; k < count; k++) results.push(output.slice(k * classes, (k + 1) * classes));
    }
    return results;
  });
}

function compare(a: readonly Float32Array[], b: readonly Float32Array[]) {
  const all = a.map((row) => [Math.min(...row), Math.max(...row)] as const);
  const range = Math.max(...all.map(([, top]) => top)) - Math.min(...all.map(([low]) => low));
  const differences = a.map((row, i) => row.reduce((top, x, k) => Math.max(top, Math.abs(x - b[i]![k]!)), 0));
  const best = (row: Float32Array) => row.indexOf(Math.max(...row));
  return { drift: Math.max(...differences) / range, changed: a.filter((row, i) => best(row) !== best(b[i]!)).length };
}

const count = (removed: readonly { removed: readonly number[] }[]) =>
  removed.reduce((sum, { removed: channels }) => sum + channels.length, 0);

describe("proved for every input in [−1, 1]", () => {
  // Channels that leave, and what remains of the parameters and multiplications.
  it.each([
    ["mobilenet_v1_0.75_224", 46, 2_568_602, 310_129_059],
    ["mobilenet_v2_0.35_224_cifar10head", 12, 401_547, 55_252_999],
    ["vww_mobilenet_025", 1560, 37_380, 3_930_209],
    ["cifar_resnet20", 0, 269_034, 40_551_040],
    ["mlperf_resnet8", 0, 77_706, 12_501_632],
    ["ad_autoencoder", 69, 225_559, 223_956],
  ])("%s: %i channels", async (name, channels, parameters, macs) => {
    const { model, shapes } = await load(name);
    const before = cloneModel(model);
    const report = await removeDeadChannels({ shapes, inputRange: { min: -1, max: 1 } })(model, {});
    expect(count(report.removed)).toBe(channels);
    expect(report.after).toMatchObject({ parameters, macs });
    expect(await driftOf(before, model, 1)).toBeLessThan(1e-5);
    const again = await removeDeadChannels({ shapes: report.shapes, inputRange: { min: -1, max: 1 } })(model, {});
    expect(again.modified).toBe(false);
  });

  it("half of the first layer of mobilenet_v1_0.75_224, in whole blocks where asked", async () => {
    const { model, shapes } = await load("mobilenet_v1_0.75_224");
    const options = { shapes, inputRange: { min: -1, max: 1 } };
    const blocks = cloneModel(model);
    const report = await removeDeadChannels(options)(model, {});
    expect(report.removed[0]).toMatchObject({ layer: "conv1", channels: 24, kind: "proved" });
    expect(report.removed[0]!.removed).toHaveLength(12);
    const inBlocks = await removeDeadChannels({ ...options, channelMultiple: ORT_CHANNEL_MULTIPLE })(blocks, {});
    expect(inBlocks.removed.map(({ layer, removed }) => [layer, removed.length])).toEqual([
      ["conv1", 8],
      ["conv_dw_1", 8],
    ]);
    expect(inBlocks.zeroed[0]).toMatchObject({ layer: "conv1", outputs: expect.any(Array) });
    expect(inBlocks.zeroed[0]!.outputs).toHaveLength(4);
  });
});

describe("observed on 100 calibration images", () => {
  const statistics = async (model: Model, shapes: ObservedShapes, dataset: Dataset): Promise<ActivationStats> => {
    const values = deadChannelValues(model, shapes);
    const requests = values.map((value) => ({ value, moments: false, exactMinimum: true, histogram: false }));
    return (await calibrate(model, { requests }, { runner, data: dataset })).activationStats();
  };

  it.each([
    ["mobilenet_v1_0.75_224", "imagenet-sample", "imagenet-sample", 224, "tf", 46],
    ["cifar_resnet20", "cifar10/calib", "cifar10/test", 32, "imagenet", 13],
  ] as const)("%s", async (name, calibration, test, size, preset, channels) => {
    const { model, shapes } = await load(name);
    const before = cloneModel(model);
    const options = { input: { shape: [3, size, size] }, preprocess: { preset }, decode: sharpDecoder(sharp) };
    const data = spread(await openDataset(sharedData(calibration), options), 100);
    const report = await removeDeadChannels({ shapes, stats: await statistics(model, shapes, data) })(model, {});
    expect(count(report.removed)).toBeGreaterThanOrEqual(channels);
    // Without an input range few are proved: those behind a Relu6, or with a bias below everything.
    expect(report.removed.map(({ kind }) => kind)).toContain("observed");
    const seen = compare(await predictions(before, data), await predictions(model, data));
    expect(seen.drift).toBeLessThan(1e-4);
    expect(seen.changed).toBe(0);
    const unseen = await openDataset(sharedData(test), options);
    const others = compare(await predictions(before, unseen), await predictions(model, unseen));
    expect(others.changed).toBeLessThanOrEqual(unseen.length / 100);
  });
});
