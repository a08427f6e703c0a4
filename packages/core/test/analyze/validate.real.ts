import { readFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import {
  cloneModel,
  type Dataset,
  type Model,
  type PresetName,
  parseModel,
  spread,
  validateModels,
} from "../../src/lab.js";
import { openDataset, optimizedModel, sharpDecoder } from "../../src/node.js";
import { SHARED, sharedData } from "../data/shared.js";
import { runner } from "../helpers/runner.js";

function load(name: string): Model {
  return parseModel(readFileSync(join(SHARED, "models", name)), { file: name });
}

function images(set: string, side: number, preset: PresetName): Promise<Dataset> {
  return openDataset(sharedData(set), {
    input: { shape: [3, side, side] },
    preprocess: { preset },
    decode: sharpDecoder(sharp),
  });
}

test("cifar_resnet20 against itself on 300 images", async () => {
  const baseline = load("cifar_resnet20.onnx");
  const dataset = spread(await images("cifar10/test", 32, "imagenet"), 300);
  const report = await validateModels(cloneModel(baseline), { baseline }, { runner, data: dataset });
  expect(report).toMatchObject({ samples: 300, drop: 0, agreement: 1, logitSqnrDb: Number.POSITIVE_INFINITY });
  expect(report.mcNemar).toEqual({ onlyBaseline: 0, onlyCandidate: 0, p: 1 });
  expect(report.warnings).toEqual([]);
  // The same file twice: whatever else the machine does, the ratio of neighbours is near 1.
  expect(report.latency!.ratio).toBeGreaterThan(0.8);
  expect(report.latency!.ratio).toBeLessThan(1.25);
});

test("mobilenet_v1_0.75: float top-1 and top-5 of the model's page, and its MACs", async () => {
  const candidate = load("mobilenet_v1_0.75_224.onnx");
  const dataset = await images("imagenet-sample", 224, "tf");
  const report = await validateModels(candidate, { latency: false }, { runner, data: dataset });
  expect(report.candidate.top1).toBe(0.846);
  expect(report.candidate.top5).toBe(0.962);
  expect(report.candidate.accuracy!.confusion.classes).toBe(1000);
  // Howard et al. 2017, table 6: 0.75 MobileNet-224 has 325 million multiply-adds and 2.6 million parameters.
  expect(Math.round(report.candidate.macs! / 1e6)).toBe(325);
  expect(report.candidate.bytes).toBe(10_424_129);
});

test("mobilenet_v1_0.75 with the wrong preset: accuracy at chance is pointed out", async () => {
  const dataset = spread(await images("imagenet-sample", 224, "raw"), 60);
  const candidate = load("mobilenet_v1_0.75_224.onnx");
  const { warnings } = await validateModels(candidate, { latency: false }, { runner, data: dataset });
  expect(warnings.map(({ code }) => code)).toEqual(["W5002"]);
});

test("ad_autoencoder: mean squared error of the reconstruction is the published score", async () => {
  const bytes = readFileSync(sharedData("ad-toycar-sample/normal_id_01_00000000.f32"));
  const frames = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const dataset: Dataset = {
    length: 196,
    shape: [640],
    id: (index) => `frames ${index}-${index + 4}`,
    fill: (index, out, offset) => out.set(frames.subarray(index * 128, index * 128 + 640), offset),
  };
  const candidate = load("ad_autoencoder.onnx");
  const report = await validateModels(candidate, { baseline: candidate, latency: false }, { runner, data: dataset });
  expect(report.output).toMatchObject({ kind: "values", classes: null });
  expect(report.candidate.reconstructionMse).toBeCloseTo(9.49129, 4);
  expect(report).toMatchObject({ mse: 0, agreement: 1, drop: null });
});

test("the runtime's graph of every shared model can be read", async () => {
  for (const name of ["mlperf_resnet8.onnx", "vww_mobilenet_025.onnx", "mobilenet_v2_0.35_224_cifar10head.onnx"]) {
    const executed = await optimizedModel(runner, load(name));
    expect(executed.graph.nodes.length, name).toBeGreaterThan(0);
  }
});
