import { describe, expect, it } from "vitest";
import { measureSqnr } from "../../src/analyze/index.js";
import type { Dataset } from "../../src/data/index.js";
import { indexGraph, type Model, Tensor } from "../../src/graph/index.js";
import { forEachWeight, linearLayerOf, linearLayers } from "../../src/operators/index.js";
import { type AdviceReport, advise } from "../../src/pipeline/index.js";
import { planQuantization } from "../../src/quantize/index.js";
import { calibrated } from "../helpers/quantized.js";
import { realNetwork, runner } from "../helpers/real.js";

const context = { runner };

async function advice(model: Model, images: Dataset): Promise<AdviceReport> {
  const quantize = { granularity: "per-tensor" } as const;
  const calibration = await calibrated(model, images, quantize);
  const plan = planQuantization(model, calibration, quantize);
  const sqnr = await measureSqnr(model, { plan, cumulative: false, samples: 4 }, { ...context, data: images });
  const options = { calibration, plan, quantize, sqnr, samples: 4, remedies: 1 };
  return advise(model, options, { ...context, data: images });
}

/** Blows up one channel of a layer that a Relu and one other layer follow: the function stays. Returns the layer's name. */
function plant(model: Model, at: number, channel: number): string {
  const index = indexGraph(model.graph);
  const pairs = linearLayers(model.graph).flatMap((layer) => {
    const relu = index.onlyConsumer(layer.output);
    const node = relu?.opType === "Relu" ? index.onlyConsumer(relu.outputs[0]!) : undefined;
    const next = node && linearLayerOf(model.graph, node);
    return next && !next.depthwise && layer.bias ? [[layer, next] as const] : [];
  });
  const [layer, next] = pairs[at]!;
  const scale = (which: typeof layer, factor: (out: number, input: number) => number) => {
    const values = Float32Array.from(which.tensor.array() as Float32Array);
    forEachWeight(which, (flat, out, input) => {
      values[flat]! *= factor(out, input);
    });
    model.graph.initializers.set(which.weight, Tensor.float32(which.tensor.dims, values));
  };
  scale(layer, (out) => (out === channel ? 100 : 1));
  scale(next, (_, input) => (input === channel ? 0.01 : 1));
  const bias = Float32Array.from(model.graph.initializers.get(layer.bias!)!.array() as Float32Array);
  bias[channel]! *= 100;
  model.graph.initializers.set(layer.bias!, Tensor.float32([bias.length], bias));
  return layer.node.name;
}

describe("advice for real networks", () => {
  it.each([
    [1, 3],
    [5, 20],
  ])("cifar_resnet20: the fault planted in pair %i is named, with its channel and remedy", async (at, channel) => {
    const { model, images } = await realNetwork("resnet20", 16);
    const layer = plant(model, at, channel);
    const [first] = (await advice(model, images)).findings;
    expect(first).toMatchObject({ layer, channel, recommended: { remedy: "equalize" } });
    expect(first!.recommended!.gainDb).toBeGreaterThan(5);
  });

  it("mobilenet_v1: the first depthwise layer, where a dead channel is the widest one", async () => {
    const { model, images } = await realNetwork("mobilenetV1", 8);
    const { findings, allDb } = await advice(model, images);
    const [first] = findings;
    expect(first).toMatchObject({ layer: "conv_dw_1", kind: "deadWideChannel", channel: 6 });
    const gain = new Map(first!.remedies.map(({ remedy, gainDb }) => [remedy, gainDb]));
    for (const remedy of ["equalize", "dead-channels+equalize", "per-channel"] as const) {
      expect(gain.get(remedy), remedy).toBeGreaterThan(12);
    }
    // The fault lies in every depthwise layer: mending one of them changes next to nothing.
    expect(gain.get("float")).toBeLessThan(2);
    expect(allDb).toBeLessThan(2);
    expect(findings.every(({ cause }) => cause === null)).toBe(true);
  });
});
