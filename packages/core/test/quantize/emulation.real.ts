import { readFileSync } from "node:fs";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { calibrate } from "../../src/calibrate/index.js";
import { type Dataset, randomDataset } from "../../src/data/index.js";
import { parseModel } from "../../src/graph/index.js";
import { openDataset, sharpDecoder } from "../../src/node.js";
import { planQuantization, type QuantizeOptions, quantizationRequests } from "../../src/quantize/index.js";
import { prepareModel } from "../../src/steps/index.js";
import { runner } from "../helpers/runner.js";
import { compareForms } from "../helpers/same-values.js";
import { SHARED_MODELS, sharedModel, sharedPath } from "../helpers/shared.js";

const SAMPLES = 4;
const images = (folder: string, shape: readonly number[], preset: "tf" | "imagenet" | "raw") =>
  openDataset(sharedPath("data", folder), {
    input: { shape },
    decode: sharpDecoder(sharp),
    preprocess: { preset },
    samples: SAMPLES,
  });

/** Real input where there is some; vww_mobilenet_025 has none, its README says 0…1. */
const DATA: Record<(typeof SHARED_MODELS)[number], () => Promise<Dataset> | Dataset> = {
  "mobilenet_v1_0.75_224": () => images("imagenet-sample", [3, 224, 224], "tf"),
  "mobilenet_v2_0.35_224_cifar10head": () => images("cifar10/calib", [3, 224, 224], "tf"),
  cifar_resnet20: () => images("cifar10/calib", [3, 32, 32], "imagenet"),
  mlperf_resnet8: () => images("cifar10/calib", [3, 32, 32], "raw"),
  vww_mobilenet_025: () => randomDataset([3, 96, 96], SAMPLES, 1),
  ad_autoencoder: () =>
    openDataset(sharedPath("data", "ad-toycar-sample", "normal_id_01_00000000.f32"), {
      input: { shape: [640] },
      stride: 128,
      samples: SAMPLES,
    }),
};

const VARIANTS: Record<string, QuantizeOptions> = {
  "per tensor": { granularity: "per-tensor" },
  "per channel": { granularity: "per-channel" },
  "int8 activations, uint8 weights": { activations: "int8", weights: "uint8" },
};

/** Issue 3: every tensor within 1 quantization step, at least 99.9 % of the values identical. */
describe.each(SHARED_MODELS)("%s: integers executed by ONNX Runtime against the emulation", (name) => {
  test.each(Object.keys(VARIANTS))("%s", async (variant) => {
    const options = VARIANTS[variant]!;
    const model = parseModel(readFileSync(sharedModel(name)));
    await prepareModel(model, { runner });
    const dataset = await DATA[name]();
    const calibration = await calibrate(
      model,
      { requests: quantizationRequests(model, options) },
      { runner, data: dataset },
    );
    const size = dataset.shape.reduce((a, b) => a * b, 1);
    const data = new Float32Array(dataset.length * size);
    for (let i = 0; i < dataset.length; i++) await dataset.fill(i, data, i * size);
    const feeds = { input: { dtype: "float32", dims: [dataset.length, ...dataset.shape], data } as const };
    const rows = await compareForms(runner, model, (copy) => planQuantization(copy, calibration, options), feeds);
    expect(rows.length).toBeGreaterThan(8);
    expect(rows.filter(({ steps }) => steps > 1.001)).toEqual([]);
    expect(rows.filter(({ elements, identical }) => identical < 0.999 * elements)).toEqual([]);
  });
});
