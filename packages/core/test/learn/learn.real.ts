import { readFileSync } from "node:fs";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { calibrate } from "../../src/calibrate/index.js";
import { correctBiases } from "../../src/correct/index.js";
import type { Dataset } from "../../src/data/index.js";
import { fold } from "../../src/fold/index.js";
import { cloneModel, type Model, parseModel, serializeModel } from "../../src/graph/index.js";
import { adaRound, tuneBiases } from "../../src/learn/index.js";
import { openDataset, sharpDecoder } from "../../src/node.js";
import { applyQdq, planQuantization, quantizationRequests } from "../../src/quantize/index.js";
import { measureTop1 } from "../../src/train/index.js";
import { applyTo } from "../helpers/quantized.js";
import { runner } from "../helpers/real.js";
import { sharedModel, sharedPath } from "../helpers/shared.js";

const context = { runner };
const CALIBRATION = 64;
const MEASURED = 500;

const images = (folder: string, samples: number): Promise<Dataset> =>
  openDataset(sharedPath("data", "cifar10", folder), {
    input: { shape: [3, 32, 32] },
    decode: sharpDecoder(sharp),
    preprocess: { preset: "raw" },
    samples,
  });

/** mlperf_resnet8 at 4 bits per channel, where rounding to the nearest costs it five points. */
describe("learning from 64 unlabeled images, resnet8, 4 bits", () => {
  let float: Model;
  let calib: Dataset;
  let test: Dataset;
  const options = { weightBits: 4, granularity: "per-channel" } as const;

  async function quantized() {
    const calibration = await calibrate(
      float,
      { requests: quantizationRequests(float, options) },
      { ...context, data: calib },
    );
    const model = cloneModel(float);
    const plan = planQuantization(model, calibration, options);
    applyQdq(model, plan);
    await correctBiases({ floatModel: float, plan })(model, { ...context, data: calib });
    return { floatModel: float, model, plan, calibration };
  }

  beforeAll(async () => {
    float = parseModel(readFileSync(sharedModel("mlperf_resnet8")));
    await fold()(float, context);
    [calib, test] = await Promise.all([images("calib", CALIBRATION), images("test", MEASURED)]);
  });

  it("AdaRound wins back top-1 on 500 images it never saw", async () => {
    const pair = await quantized();
    const before = await measureTop1(pair.model, {}, { ...context, data: test });
    const report = await applyTo(adaRound, { ...pair, dataset: calib, rows: 1024, iterations: 60 }, context);
    const after = await measureTop1(pair.model, {}, { ...context, data: test });
    expect(report.kept).toBe(true);
    // Measured: 10.1 → 20.8 dB on images kept back, top-1 72.0 → 74.4 %.
    expect(report.sqnrDbAfter).toBeGreaterThan(report.sqnrDbBefore + 5);
    expect(after).toBeGreaterThan(before + 0.005);
  });

  it("bias tuning that hurts is noticed without a label and undone, byte for byte", async () => {
    const { calibration: _calibration, ...pair } = await quantized();
    const bytes = serializeModel(pair.model);
    // A rate a thousand times too large.
    const report = await applyTo(tuneBiases, { ...pair, dataset: calib, samples: 32, epochs: 1, rate: 0.5 }, context);
    expect(report.kept).toBe(false);
    expect(report.sqnrDbAfter).toBeLessThan(report.sqnrDbBefore);
    expect(report.reason).toContain("undone");
    expect(serializeModel(pair.model)).toEqual(bytes);
  });
});
