import { describe, expect, it } from "vitest";
import { correctBiases } from "../../src/correct/index.js";
import { randomDataset } from "../../src/data/index.js";
import { type Model, serializeModel, Tensor } from "../../src/graph/index.js";
import { adaRound } from "../../src/learn/index.js";
import { linearLayers } from "../../src/operators/index.js";
import { NETWORKS } from "../helpers/networks.js";
import { applyTo, quantized, runner } from "../helpers/quantized.js";

const context = { runner };
const DATA = randomDataset([3, 8, 8], 32, 7, { min: -1, max: 2 });
const FAST = { rows: 1024, iterations: 60 } as const;

/** The model with weights that are multiples of 1/128 up to 127/128, which is where 8 bits put them. */
function onTheGrid(model: Model): Model {
  for (const { weight, tensor } of linearLayers(model.graph)) {
    const values = tensor.numbers();
    const widest = values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const grid = Float32Array.from(values, (x) => Math.round((127 * x) / widest) / 128);
    model.graph.initializers.set(weight, Tensor.float32(tensor.dims, grid));
  }
  return model;
}

/** Dequantized weights of a plan's layers as the model holds them now, with the largest step of the layer. */
function weightsOf(model: Model, plan: Awaited<ReturnType<typeof quantized>>["plan"]) {
  const layers = plan.parameters.filter(({ layer }) => layer.opType !== "ConvTranspose");
  return layers.map(({ layer, weight: { encoding } }) => {
    const dequantize = model.graph.nodes.find(({ outputs }) => outputs[0] === layer.node.inputs[1])!;
    const integers = model.graph.initializers.get(dequantize.inputs[0]!)!.array() as Int8Array;
    const inner = layer.tensor.size / encoding.scale.length;
    const channel = (at: number) =>
      encoding.axis === null ? 0 : encoding.axis === 0 ? Math.floor(at / inner) : at % encoding.scale.length;
    const steps = Float64Array.from(integers, (_, at) => encoding.scale[channel(at)]!);
    const values = Float64Array.from(integers, (q, at) => (q - encoding.zeroPoint[channel(at)]!) * steps[at]!);
    return { layer, integers, values, steps, original: layer.tensor.array() as Float32Array, encoding };
  });
}

describe("adaRound", () => {
  for (const granularity of ["per-tensor", "per-channel"] as const) {
    for (const name of granularity === "per-tensor" ? ["chain", "floatBetween"] : ["residual"]) {
      it(`${name}, 4 bits ${granularity}: every weight moves to one of its two neighbours, outputs come closer`, async () => {
        const model = NETWORKS[name]!();
        // A pruned weight: it must stay 0.
        const pruned = [...model.graph.initializers].filter(([key]) => key.endsWith(".weight"));
        for (const [, tensor] of pruned) (tensor.array() as Float32Array)[2] = 0;
        const pair = await quantized(model, DATA, { weightBits: 4, granularity });
        await applyTo(correctBiases, { ...pair, dataset: DATA }, context);
        const floats = serializeModel(pair.floatModel);
        const report = await applyTo(adaRound, { ...pair, dataset: DATA, ...FAST, keep: "always" }, context);
        expect(report.kept).toBe(true);
        if (name !== "floatBetween") expect(report.sqnrDbAfter).toBeGreaterThan(report.sqnrDbBefore);
        expect(report.layers.some(({ turned }) => turned > 0)).toBe(true);
        expect(serializeModel(pair.floatModel)).toEqual(floats);
        for (const { values, original, steps, integers, encoding } of weightsOf(pair.model, pair.plan)) {
          values.forEach((value, at) => {
            expect(Math.abs(value - original[at]!)).toBeLessThan(steps[at]! * 1.0001);
            if (original[at] === 0) expect(value).toBe(0);
            expect(integers[at]).toBeGreaterThanOrEqual(encoding.qmin);
            expect(integers[at]).toBeLessThanOrEqual(encoding.qmax);
          });
        }
        expect(report.skipped.map(({ opType }) => opType)).toEqual(name === "floatBetween" ? ["ConvTranspose"] : []);
      });
    }
  }

  it("is the same for the same seed, and undone as a whole where the output did not come closer", async () => {
    const run = async (seed: number) => {
      const pair = await quantized(NETWORKS.chain!(), DATA, { weightBits: 3 });
      await applyTo(adaRound, { ...pair, dataset: DATA, ...FAST, rows: 64, seed }, context);
      return serializeModel(pair.model);
    };
    const [one, same, other] = [await run(1), await run(1), await run(2)];
    expect(one).toEqual(same);
    expect(other).not.toEqual(one);
    // Weights that lie on the grid: rounding to nearest loses nothing, so nothing can be better.
    const exact = await quantized(onTheGrid(NETWORKS.chain!()), DATA, { weightBits: 8, granularity: "per-tensor" });
    const before = serializeModel(exact.model);
    const report = await applyTo(adaRound, { ...exact, dataset: DATA, ...FAST, rows: 16 }, context);
    expect(report).toMatchObject({ kept: false, modified: false });
    expect(report.layers.length).toBeGreaterThan(0);
    expect(serializeModel(exact.model)).toEqual(before);
  });

  it("says what is wrong with its options, and stops when told, leaving the model as it was", async () => {
    const pair = await quantized(NETWORKS.chain!(), DATA, { weightBits: 4 });
    const before = serializeModel(pair.model);
    const all = { ...pair, dataset: DATA };
    await expect(applyTo(adaRound, { ...all, rows: 3 }, context)).rejects.toMatchObject({
      code: "E2002",
      message: "adaRound: rows 3 is not a whole number (16 or more)",
    });
    await expect(applyTo(adaRound, { ...all, bits: 3 } as never, context)).rejects.toMatchObject({ code: "E2001" });
    await expect(applyTo(adaRound, all, {})).rejects.toMatchObject({ code: "E4005" });
    const controller = new AbortController();
    const stopping = {
      runner,
      signal: controller.signal,
      onProgress: ({ done }: { done: number }) => done === 2 && controller.abort(),
    };
    await expect(applyTo(adaRound, { ...all, ...FAST }, stopping as never)).rejects.toMatchObject({ code: "E6005" });
    expect(serializeModel(pair.model)).toEqual(before);
  });
});
