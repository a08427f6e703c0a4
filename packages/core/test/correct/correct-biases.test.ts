import { describe, expect, it } from "vitest";
import { OutputProbe } from "../../src/analyze/output-probe.js";
import { correctBiases, ensureBiases } from "../../src/correct/index.js";
import { randomDataset, subset } from "../../src/data/index.js";
import { cloneModel, type Model, serializeModel, Tensor } from "../../src/graph/index.js";
import { convReluConv } from "../helpers/build.js";
import { NETWORKS } from "../helpers/networks.js";
import { applyTo, biasOf, naiveMean, quantized, runner, shifted } from "../helpers/quantized.js";

const context = { runner };
/** Coarse weights make shifts that correction must find. */
const COARSE = { weightBits: 4 } as const;
const DATA = randomDataset([3, 8, 8], 12, 7, { min: -1, max: 2 });

/**
 * Sequential correction as the definition says it: before every layer the whole corrected network so far is run over all
 * samples, whole outputs come back, and the means are taken in float64.
 */
async function naiveSequential(floatModel: Model, model: Model, nodeNames: readonly string[]): Promise<void> {
  for (const name of nodeNames) {
    const node = model.graph.nodes.find((candidate) => candidate.name === name)!;
    const floatOutput = floatModel.graph.nodes.find((candidate) => candidate.name === name)!.outputs[0]!;
    const expected = await naiveMean(floatModel, floatOutput, DATA);
    const actual = await naiveMean(model, node.outputs[0]!, DATA);
    const bias = biasOf(model, node);
    const corrected = Array.from(bias.integers, (q, c) => {
      const step = bias.scale[bias.scale.length === 1 ? 0 : c]!;
      return Math.round(q + (expected[c]! - actual[c]!) / step);
    });
    model.graph.initializers.set(bias.name, Tensor.of("int32", [corrected.length], Int32Array.from(corrected)));
  }
}

describe("correctBiases, sequential", () => {
  for (const [at, [name, build]] of Object.entries(NETWORKS).entries()) {
    for (const granularity of at < 2 ? (["per-tensor", "per-channel"] as const) : (["per-tensor"] as const)) {
      it(`${name}, ${granularity}: gives the biases of the definition`, async () => {
        const options = { ...COARSE, granularity };
        const actual = await quantized(build(), DATA, options);
        const naive = await quantized(build(), DATA, options);
        const before = serializeModel(actual.floatModel);
        const report = await applyTo(
          correctBiases,
          { ...actual, dataset: DATA, keep: "always", batchSize: 5 },
          context,
        );
        expect(serializeModel(actual.floatModel)).toEqual(before);
        expect(report).toMatchObject({ samples: 12, heldOut: false, kept: true, modified: true, skipped: [] });
        expect(report.layers.length).toBe(actual.plan.parameters.length);
        await naiveSequential(
          naive.floatModel,
          naive.model,
          report.layers.map(({ layer }) => layer),
        );
        for (const [at, { layer }] of actual.plan.parameters.entries()) {
          const ours = biasOf(actual.model, layer.node);
          const theirs = biasOf(naive.model, naive.plan.parameters[at]!.layer.node);
          const { maxShift } = report.layers.find((entry) => entry.layer === layer.node.name)!;
          const step = ours.scale.reduce((a, b) => Math.max(a, b));
          ours.integers.forEach((integer, c) => {
            // Integer kernels round products differently from float ones in rare ties: a hundredth of the shift, or two steps.
            const difference = Math.abs(integer - theirs.integers[c]!) * ours.scale[ours.scale.length === 1 ? 0 : c]!;
            expect(difference).toBeLessThanOrEqual(Math.max(0.02 * maxShift, 2 * step));
          });
        }
      });
    }
  }

  it("makes the means of every layer equal, up to the bias's own grid", async () => {
    const { floatModel, model, plan } = await quantized(NETWORKS.residual!(), DATA, COARSE);
    await correctBiases({ floatModel, plan, keep: "always" })(model, { ...context, data: DATA });
    for (const { layer } of plan.parameters) {
      const expected = await naiveMean(floatModel, layer.output, DATA);
      const actual = await naiveMean(model, layer.node.outputs[0]!, DATA);
      const { scale } = biasOf(model, layer.node);
      for (const [c, mean] of expected.entries()) expect(Math.abs(mean - actual[c]!)).toBeLessThan(0.01 + scale[0]!);
    }
  });

  it("takes fewer samples where the kept values would not fit", async () => {
    const pair = await quantized(NETWORKS.chain!(), DATA, COARSE);
    const { samples, cacheBytes } = await applyTo(correctBiases, { ...pair, dataset: DATA, cacheBytes: 4000 }, context);
    expect(samples).toBeLessThan(12);
    expect(samples).toBeGreaterThan(1);
    expect(cacheBytes).toBeLessThanOrEqual(4000);
  });

  it("does not depend on the batch size", async () => {
    const results = [];
    for (const batchSize of [1, 12]) {
      const pair = await quantized(NETWORKS.gate!(), DATA, COARSE);
      await applyTo(correctBiases, { ...pair, dataset: DATA, batchSize, keep: "always" }, context);
      results.push(pair.plan.parameters.map(({ layer }) => biasOf(pair.model, layer.node)));
    }
    for (const [at, one] of results[0]!.entries()) {
      const all = results[1]![at]!;
      for (const [c, q] of one.integers.entries()) expect(Math.abs(q - all.integers[c]!)).toBeLessThanOrEqual(1);
    }
  });
});

describe("correctBiases, parallel", () => {
  it("shifts every layer by the difference of means in the uncorrected network", async () => {
    const { floatModel, model, plan } = await quantized(NETWORKS.inception!(), DATA, COARSE);
    const uncorrected = cloneModel(model);
    await correctBiases({ floatModel, plan, method: "parallel", keep: "always" })(model, { ...context, data: DATA });
    for (const { layer } of plan.parameters) {
      const expected = await naiveMean(floatModel, layer.output, DATA);
      const actual = await naiveMean(uncorrected, layer.node.outputs[0]!, DATA);
      const before = biasOf(uncorrected, layer.node);
      const after = biasOf(model, layer.node);
      for (const [c, mean] of expected.entries()) {
        const step = after.scale[c] ?? after.scale[0]!;
        const shift = (after.integers[c]! - before.integers[c]!) * step;
        expect(Math.abs(shift - (mean - actual[c]!))).toBeLessThanOrEqual(step * 0.51 + 1e-5);
      }
    }
  });
});

describe("bias formats", () => {
  it.each([
    ["int16", 32767],
    ["int8", 127],
  ] as const)(
    "%s: corrected biases stay one tensor of that type, on a grid that holds the largest",
    async (bias, top) => {
      const options = { ...COARSE, bias } as const;
      const { floatModel, model, plan } = await quantized(NETWORKS.chain!(), DATA, options);
      const report = await correctBiases({ floatModel, plan, keep: "always" })(model, { ...context, data: DATA });
      expect(report.modified).toBe(true);
      for (const { layer } of plan.parameters) {
        const { integers, scale, name } = biasOf(model, layer.node);
        expect(model.graph.initializers.get(name)!.dtype).toBe(bias);
        expect(scale.length).toBe(1);
        expect(Math.max(...Array.from(integers, Math.abs))).toBe(top);
      }
    },
  );

  it("float: the shared initializer is corrected for each layer alone", async () => {
    const floatModel = convReluConv({ channels: 3, seed: 3 });
    const [first, , second] = floatModel.graph.nodes;
    second!.inputs[2] = first!.inputs[2]!;
    const options = { ...COARSE, target: "tensorrt" } as const;
    const { model, plan } = await quantized(floatModel, DATA, options);
    const report = await correctBiases({ floatModel, plan, keep: "always" })(model, { ...context, data: DATA });
    expect(report.layers.length).toBe(2);
    const biases = plan.parameters.map(({ layer }) => model.graph.initializers.get(layer.node.inputs[2]!)!);
    expect(biases.map(({ dtype }) => dtype)).toEqual(["float32", "float32"]);
    expect([...biases[0]!.bytes()]).not.toEqual([...biases[1]!.bytes()]);
    for (const { layer } of plan.parameters) {
      const expected = await naiveMean(floatModel, layer.output, DATA);
      const actual = await naiveMean(model, layer.node.outputs[0]!, DATA);
      for (const [c, mean] of expected.entries()) expect(actual[c]!).toBeCloseTo(mean, 2);
    }
  });
});

describe("self-check", () => {
  const many = randomDataset([3, 8, 8], 40, 11, { min: -1, max: 2 });

  it("keeps a correction that brings the output closer, on samples the means have not seen", async () => {
    const pair = await quantized(NETWORKS.chain!(), many, COARSE);
    const uncorrected = cloneModel(pair.model);
    const report = await applyTo(correctBiases, { ...pair, dataset: many }, context);
    expect(report).toMatchObject({ kept: true, modified: true, heldOut: true, samples: 30, checkSamples: 10 });
    expect(report.sqnrDbAfter).toBeGreaterThan(report.sqnrDbBefore + 1);
    // Independent check on the held-out quarter.
    const rest = subset(
      many,
      Array.from({ length: 10 }, (_, i) => 4 * i + 3),
    );
    const probe = await OutputProbe.of(pair.floatModel, rest, context);
    expect(report.sqnrDbBefore).toBeCloseTo((await probe.measure(uncorrected, context)).sqnrDb, 2);
    expect(report.sqnrDbAfter).toBeCloseTo((await probe.measure(pair.model, context)).sqnrDb, 2);
  });

  for (const method of ["sequential", "parallel"] as const) {
    it(`${method}: notices means over different images and undoes the correction`, async () => {
      const pair = await quantized(NETWORKS.chain!(), many, { weightBits: 8 });
      const before = serializeModel(pair.model);
      const referenceDataset = shifted(many, 1.5);
      const report = await applyTo(correctBiases, { ...pair, dataset: many, referenceDataset, method }, context);
      expect(report.kept).toBe(false);
      expect(report.modified).toBe(false);
      expect(report.sqnrDbAfter).toBeLessThan(report.sqnrDbBefore - 3);
      expect(report.reason).toMatch(/not better, undone/);
      expect(serializeModel(pair.model)).toEqual(before);
      const forced = await applyTo(
        correctBiases,
        { ...pair, dataset: many, referenceDataset, method, keep: "always" },
        context,
      );
      expect(forced.modified).toBe(true);
      expect(serializeModel(pair.model)).not.toEqual(before);
    });
  }
});

describe("refusals", () => {
  it("leaves MatMul and layers without bias, with the reason", async () => {
    const floatModel = convReluConv({ channels: 3 });
    floatModel.graph.nodes[2]!.inputs = floatModel.graph.nodes[2]!.inputs.slice(0, 2);
    const pair = await quantized(floatModel, DATA, COARSE);
    const report = await applyTo(correctBiases, { ...pair, dataset: DATA, keep: "always" }, context);
    expect(report.layers.map(({ layer }) => layer)).toEqual(["conv1"]);
    expect(report.skipped).toEqual([
      { node: "conv2", opType: "Conv", reason: "no bias: call ensureBiases before planning" },
    ]);
  });

  it("a throw leaves the model as it was", async () => {
    const pair = await quantized(NETWORKS.chain!(), DATA, COARSE);
    const before = serializeModel(pair.model);
    let runs = 0;
    const failing = {
      ...runner,
      using: ((model, use, options) => {
        // The float probe, the first measure, shapes, float means, two layers; then the third layer fails.
        if (++runs > 6) throw new Error("broken");
        return runner.using(model, use, options);
      }) as typeof runner.using,
    };
    await expect(applyTo(correctBiases, { ...pair, dataset: DATA }, { runner: failing })).rejects.toThrow("broken");
    expect(runs).toBe(7);
    expect(serializeModel(pair.model)).toEqual(before);
  });

  it("names what is wrong with its arguments", async () => {
    const pair = await quantized(NETWORKS.chain!(), DATA, COARSE);
    const call = (changes: object, using: object = context) =>
      applyTo(correctBiases, { ...pair, dataset: DATA, ...changes } as never, using);
    await expect(call({ metod: "parallel" })).rejects.toMatchObject({ code: "E2001" });
    await expect(call({ method: "magic" })).rejects.toMatchObject({ code: "E2004" });
    await expect(call({ samples: 0 })).rejects.toMatchObject({ code: "E2002" });
    await expect(call({}, {})).rejects.toMatchObject({ code: "E4005" });
    await expect(call({ model: cloneModel(pair.model) })).rejects.toMatchObject({ code: "E4005" });
    await expect(call({ floatModel: convReluConv() })).rejects.toMatchObject({ code: "E3003" });
    await expect(call({}, { runner, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "E6005" });
  });

  it("stops on NaN means with the layer's name", async () => {
    const pair = await quantized(NETWORKS.chain!(), DATA, COARSE);
    const poisoned = cloneModel(pair.floatModel);
    const bias = poisoned.graph.nodes[0]!.inputs[2]!;
    poisoned.graph.initializers.set(bias, Tensor.float32([6], new Float32Array(6).fill(Number.NaN)));
    const call = applyTo(correctBiases, { ...pair, floatModel: poisoned, dataset: DATA }, context);
    await expect(call).rejects.toMatchObject({ code: "E7001" });
  });
});

describe("ensureBiases before planning", () => {
  it("lets a layer without bias be corrected", async () => {
    const floatModel = convReluConv({ channels: 3 });
    for (const node of floatModel.graph.nodes) node.inputs = node.inputs.slice(0, 2);
    ensureBiases(floatModel);
    const pair = await quantized(floatModel, DATA, COARSE);
    const report = await applyTo(correctBiases, { ...pair, dataset: DATA }, context);
    expect(report.layers.length).toBe(2);
    expect(report.sqnrDbAfter).toBeGreaterThan(report.sqnrDbBefore);
  });
});
