import { describe, expect, it } from "vitest";
import { measureSqnr, sensitivity } from "../../src/analyze/index.js";
import { planQuantization } from "../../src/quantize/index.js";
import { calibrated } from "../helpers/quantized.js";
import { realNetwork, runner } from "../helpers/real.js";

const context = { runner };

describe("SQNR of real networks, int8", () => {
  for (const [name, granularity] of [
    ["resnet20", "per-tensor"],
    ["mobilenetV1", "per-tensor"],
    ["mobilenetV1", "per-channel"],
  ] as const) {
    it(`${name}, ${granularity}: predictions agree with measurements within 1.5 dB in the median`, async () => {
      const { model, images } = await realNetwork(name, 32);
      const options = { granularity };
      const plan = planQuantization(model, await calibrated(model, images, options), options);
      const { agreement, layers } = await measureSqnr(
        model,
        { plan, cumulative: false, samples: 16 },
        { ...context, data: images },
      );
      expect(layers.length).toBe(plan.parameters.length);
      expect(agreement.refined.weights.medianErrorDb).toBeLessThan(0.5);
      expect(agreement.refined.activations.medianErrorDb).toBeLessThan(0.2);
      expect(agreement.refined.weights.correlation).toBeGreaterThan(0.97);
      // The formulas as printed know nothing of values that an activation cuts off.
      expect(agreement.ranges.weights.medianErrorDb).toBeLessThan(4);
      expect(agreement.ranges.activations.medianErrorDb).toBeLessThan(4);
      for (const { weight, activation } of layers) {
        // A scale a channel weighs channels differently and may pass the bound of one scale.
        if (granularity === "per-tensor") expect(weight.optimalDb).toBeGreaterThan(weight.uniformDb - 0.01);
        if (activation) expect(activation.optimalDb).toBeGreaterThan(activation.uniformDb - 0.5);
      }
    });
  }

  it("mobilenet_v1, per tensor: the first depthwise layers are the culprits, and dead channels' weights show", async () => {
    const { model, images } = await realNetwork("mobilenetV1", 16);
    const report = await measureSqnr(
      model,
      { plan: { granularity: "per-tensor" }, samples: 8 },
      { ...context, data: images },
    );
    expect(
      report.culprits
        .slice(0, 2)
        .map(({ layer }) => layer)
        .toSorted(),
    ).toEqual(["conv_dw_1", "conv_dw_2"]);
    expect(report.culprits[0]!.kind).toBe("weights");
    const first = report.layers.find(({ layer }) => layer === "conv_dw_1")!;
    expect(first.findings.map(({ kind }) => kind)).toEqual(["zeroWeightChannels", "dominantWeightChannel"]);
    expect(report.victims.map(({ layer }) => layer)).toContain("conv_preds");
  });

  it("cifar_resnet20: no single layer is to blame", async () => {
    const { model, images } = await realNetwork("resnet20", 32);
    const options = { granularity: "per-tensor" } as const;
    const plan = planQuantization(model, await calibrated(model, images, options), options);
    const { allDb, layers } = await sensitivity(model, { plan, top: 4 }, { ...context, data: images });
    expect(layers.length).toBe(4);
    expect(allDb).toBeGreaterThan(20);
    for (const { aloneDb, gainDb } of layers) {
      expect(aloneDb).toBeGreaterThan(allDb);
      expect(gainDb).toBeLessThan(6);
    }
  });
});
