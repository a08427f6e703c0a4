import { describe, expect, it } from "vitest";
import { emulatedNetwork, measureSqnr, OutputProbe } from "../../src/analyze/index.js";
import { calibrate } from "../../src/calibrate/index.js";
import { cloneModel, type Model } from "../../src/graph/index.js";
import { planOfFile } from "../../src/pipeline/index.js";
import { applyQdq, planQuantization, quantizationRequests } from "../../src/quantize/index.js";
import { applyFloatStep } from "../../src/steps/index.js";
import { realNetwork, runner } from "../helpers/real.js";

const context = { runner };

describe("a plan read from a file of cifar_resnet20", () => {
  async function quantized(model: Model, images: Awaited<ReturnType<typeof realNetwork>>["images"]) {
    const calibration = await calibrate(model, { requests: quantizationRequests(model) }, { ...context, data: images });
    const file = cloneModel(model);
    const plan = planQuantization(file, calibration, { granularity: "per-tensor" });
    applyQdq(file, plan);
    return { file, plan };
  }

  it("gives the ratios of the plan that made it", async () => {
    const { model, images } = await realNetwork("resnet20", 16);
    const { file, plan } = await quantized(model, images);
    const expected = await measureSqnr(model, { plan }, { ...context, data: images });
    const read = await planOfFile(file, { float: model }, { ...context, data: images });
    const found = await measureSqnr(read.model, { plan: read.plan }, { ...context, data: images });
    let largest = 0;
    for (const [at, layer] of found.layers.entries()) {
      const other = expected.layers[at]!;
      expect(layer.layer).toBe(other.layer);
      for (const kind of ["weights", "activations", "both"] as const) {
        largest = Math.max(largest, Math.abs(layer.local[kind]! - other.local[kind]!));
        largest = Math.max(largest, Math.abs(layer.cumulative![kind]! - other.cumulative![kind]!));
      }
    }
    expect(largest).toBeLessThan(1e-6);
    expect(read.unmatched).toEqual([]);
  });

  it("finds the equalization, and explains what the file loses", async () => {
    const { model, images } = await realNetwork("resnet20", 16);
    const scaled = cloneModel(model);
    const given = { quantize: { granularity: "per-tensor" as const }, known: new Map(), biasCorrected: false };
    await applyFloatStep(scaled, { use: "equalize", method: "dfq" }, given, { ...context, data: images });
    const { file } = await quantized(scaled, images);
    const read = await planOfFile(file, { float: model }, { ...context, data: images });
    expect(read.state.equalizedClasses).toBeGreaterThan(5);
    expect(Math.min(...read.layers.map(({ weightCosine }) => weightCosine))).toBeGreaterThan(0.99);
    const probe = await OutputProbe.of(model, images, context);
    const literally = await probe.measure(file, context, { optimization: "disabled" });
    const explained = await probe.measure(emulatedNetwork(read.model, read.plan), context);
    expect(Math.abs(literally.sqnrDb - explained.sqnrDb)).toBeLessThan(0.5);
  });
});
