import { describe, expect, it } from "vitest";
import { correctBiases, ensureBiases } from "../../src/correct/index.js";
import { spread } from "../../src/data/index.js";
import { applyTo, quantized } from "../helpers/quantized.js";
import { cpuMs, plainCpuMs, realNetwork, runner } from "../helpers/real.js";

const context = { runner };

describe("bias correction of real networks", () => {
  it("cifar_resnet20, per tensor: better on images the means have not seen, 16 samples are enough", async () => {
    const { model, images } = await realNetwork("resnet20", 100);
    expect(ensureBiases(model).layers.length).toBe(0);
    for (const samples of [16, 64]) {
      const pair = await quantized(model, images, { granularity: "per-tensor" });
      const report = await applyTo(correctBiases, { ...pair, dataset: images, samples }, context);
      expect(report).toMatchObject({ kept: true, samples, heldOut: true, skipped: [] });
      expect(report.layers.length).toBe(20);
      expect(report.sqnrDbAfter).toBeGreaterThan(report.sqnrDbBefore + 0.2);
    }
  });

  it("cifar_resnet20: all at once corrects errors twice, which is noticed and undone", async () => {
    const { model, images } = await realNetwork("resnet20", 100);
    const pair = await quantized(model, images, { granularity: "per-tensor" });
    const report = await applyTo(correctBiases, { ...pair, dataset: images, method: "parallel" }, context);
    expect(report).toMatchObject({ kept: false, modified: false });
    expect(report.sqnrDbAfter).toBeLessThan(report.sqnrDbBefore - 3);
  });

  it("mobilenet_v1, per channel: over 6 dB better within (layers/4 + 4) times plain inference", async () => {
    const { model, images } = await realNetwork("mobilenetV1", 48);
    const pair = await quantized(model, images, { granularity: "per-channel" });
    const samples = 36;
    const plain = await plainCpuMs(model, spread(images, samples));
    const before = cpuMs();
    const report = await applyTo(correctBiases, { ...pair, dataset: images, samples }, context);
    const cost = (cpuMs() - before) / plain;
    expect(report).toMatchObject({ kept: true, samples, checkSamples: 12 });
    expect(report.sqnrDbAfter).toBeGreaterThan(report.sqnrDbBefore + 6);
    expect(cost).toBeLessThan(report.layers.length / 4 + 4);
  });
});
