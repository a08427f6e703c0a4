import { describe, expect, it } from "vitest";
import { measureSqnr, OutputProbe } from "../../src/analyze/index.js";
import { randomDataset } from "../../src/data/index.js";
import { cloneModel, ints, type Model, Tensor } from "../../src/graph/index.js";
import { forEachWeight, linearLayers } from "../../src/operators/index.js";
import { type AdviceReport, advise } from "../../src/pipeline/index.js";
import { applyPlan, planQuantization, type QuantizeOptions } from "../../src/quantize/index.js";
import { testModel } from "../helpers/build.js";
import { NETWORKS } from "../helpers/networks.js";
import { calibrated, runner } from "../helpers/quantized.js";

const context = { runner };
const DATA = randomDataset([3, 8, 8], 8, 31, { min: -1, max: 2 });

/** One scale a tensor: a wide channel takes its neighbours' bits. */
const PER_TENSOR = { granularity: "per-tensor" } as const;

async function advice(model: Model, quantize: QuantizeOptions = PER_TENSOR): Promise<AdviceReport> {
  const calibration = await calibrated(model, DATA, quantize);
  const plan = planQuantization(model, calibration, quantize);
  const sqnr = await measureSqnr(model, { plan, cumulative: false }, { ...context, data: DATA });
  return advise(model, { calibration, plan, quantize, sqnr }, { ...context, data: DATA });
}

function scale(model: Model, name: string, factor: (out: number, input: number) => number, bias = false): void {
  const layer = linearLayers(model.graph).find(({ node }) => node.name === name)!;
  const values = Float32Array.from(layer.tensor.array() as Float32Array);
  forEachWeight(layer, (flat, out, input) => {
    values[flat]! *= factor(out, input);
  });
  model.graph.initializers.set(layer.weight, Tensor.float32(layer.tensor.dims, values));
  if (!bias) return;
  const old = model.graph.initializers.get(layer.bias!)!.array() as Float32Array;
  const biases = old.map((value, out) => value * factor(out, 0));
  model.graph.initializers.set(layer.bias!, Tensor.float32([biases.length], biases));
}

/** One channel of a layer × 100, the next layer's weights for it ÷ 100: the same function, up to rounding. */
function planted(model: Model, layer: string, next: string, channel: number): Model {
  const copy = cloneModel(model);
  scale(copy, layer, (out) => (out === channel ? 100 : 1), true);
  scale(copy, next, (_, input) => (input === channel ? 0.01 : 1));
  return copy;
}

describe("advise", () => {
  const chain = NETWORKS.chain!();

  it.each([
    ["a", "b", 4],
    ["b", "fc", 1],
  ])(
    "a channel of %s blown up 100 times is the first finding, and equalization the remedy",
    async (layer, next, channel) => {
      const [healthy, sick] = [await advice(chain), await advice(planted(chain, layer, next, channel))];
      expect(sick.allDb).toBeLessThan(healthy.allDb - 10);
      const [first] = sick.findings;
      expect(first).toMatchObject({ layer, channel, recommended: { remedy: "equalize", scope: "network" } });
      expect(first!.kind).toMatch(/^dominant(Weight|Activation)Channel$/);
      expect(first!.text).toMatch(/^channel \d is \d+ times as wide as the median one in (weights|activations) and /);
      // The remedy restores what the fault took away; keeping the layer in float cannot.
      expect(first!.recommended!.outputDb).toBeGreaterThan(healthy.allDb - 3);
      const float = first!.remedies.find(({ remedy }) => remedy === "float")!;
      expect(float.outputDb).toBeLessThan(first!.recommended!.outputDb - 5);
      for (const { outputDb, gainDb } of first!.remedies) expect(gainDb).toBeCloseTo(outputDb - sick.allDb, 9);
    },
  );

  it("the layer behind the fault names its cause and follows it", async () => {
    const { findings } = await advice(planted(chain, "a", "b", 4));
    expect(findings[1]).toMatchObject({ layer: "b", kind: "narrowInputChannel", channel: 4, cause: "a" });
    const causes = findings.filter(({ cause }) => cause !== null).map(({ layer }) => layer);
    expect(causes).toEqual(["b"]);
  });

  it("a wide channel that never fires is called dead, and removing it helps", async () => {
    const model = cloneModel(chain);
    scale(model, "b", (out) => (out === 2 ? 50 : 1));
    const bias = Float32Array.from(model.graph.initializers.get("b.bias")!.array() as Float32Array);
    bias[2] = -1e4;
    model.graph.initializers.set("b.bias", Tensor.float32([bias.length], bias));
    const { findings, allDb } = await advice(model);
    expect(findings[0]).toMatchObject({ layer: "b", kind: "deadWideChannel", channel: 2 });
    const removed = findings[0]!.remedies.find(({ remedy }) => remedy === "dead-channels")!;
    expect(removed.outputDb).toBeGreaterThan(allDb + 10);
  });

  it("ranges that cut off: overflow, and the whole range as remedy", async () => {
    const { findings } = await advice(chain, { calibrator: "percentile:80" });
    expect(findings[0]).toMatchObject({ kind: "overflow", channel: null, recommended: { remedy: "minmax" } });
  });

  it("a scale a channel: no channel of the weights dominates, and per-channel is no remedy", async () => {
    const { findings } = await advice(planted(chain, "a", "b", 4), { granularity: "per-channel" });
    expect(findings[0]).toMatchObject({ layer: "a", kind: "dominantActivationChannel", channel: 4 });
    expect(findings.flatMap(({ remedies }) => remedies.map(({ remedy }) => remedy))).not.toContain("per-channel");
  });

  it("refuses options that are none", async () => {
    const wrong = (options: object) => advise(chain, options as never, { ...context, data: DATA });
    await expect(wrong({ sample: 3 })).rejects.toMatchObject({ code: "E2001" });
    await expect(wrong({ layers: 0 })).rejects.toMatchObject({ code: "E2002" });
  });
});

describe("values that no layer makes", () => {
  /** An Add whose constant lifts one channel far above the rest; the layer behind it hardly looks at that channel. */
  function lifted(): Model {
    const test = testModel(9);
    const { builder } = test;
    const conv = (data: string, weight: string, name: string) =>
      builder.node("Conv", [data, weight, test.random([4], `${name}.bias`)], { kernel_shape: ints([1, 1]) }, { name });
    const first = conv(builder.input("input", ["N", 3, 8, 8]), test.random([4, 3, 1, 1], "a.weight"), "a");
    const lift = builder.constant(Tensor.float32([1, 4, 1, 1], [0, 0, 100, 0]), "lift");
    const sum = builder.node(
      "Add",
      [builder.node("Sigmoid", [first], {}, { name: "sigmoid" }), lift],
      {},
      { name: "add" },
    );
    const weights = Float32Array.from({ length: 16 }, (_, at) => (at % 4 === 2 ? 1e-4 : ((at * 7) % 5) - 2));
    const second = conv(sum, builder.constant(Tensor.float32([4, 4, 1, 1], weights), "b.weight"), "b");
    builder.output(builder.node("Flatten", [builder.node("GlobalAveragePool", [second])]), "float32", ["N", 4]);
    return test.model;
  }

  it("an Add is found as the culprit, and the nodes to leave in float gain what the advice says", async () => {
    const model = lifted();
    const { findings, allDb } = await advice(model);
    const [first] = findings;
    expect(first).toMatchObject({ layer: "add", opType: "Add", kind: "dominantActivationChannel", channel: 2 });
    const float = first!.remedies.find(({ remedy }) => remedy === "float")!;
    expect(float.nodes).toEqual(["add", "b"]);
    expect(float.gainDb).toBeGreaterThan(10);
    // The same by the public way: quantize without these nodes, run the file.
    const quantized = cloneModel(model);
    const quantize = { ...PER_TENSOR, exclude: [...float.nodes!] };
    const calibration = await calibrated(model, DATA, quantize);
    applyPlan(quantized, planQuantization(quantized, calibration, quantize), calibration, quantize);
    const probe = await OutputProbe.of(model, DATA, context);
    const { sqnrDb } = await probe.measure(quantized, context);
    expect(sqnrDb).toBeGreaterThan(allDb + 10);
    expect(Math.abs(sqnrDb - float.outputDb)).toBeLessThan(1);
  });
});
