import { describe, expect, it } from "vitest";
import { randomDataset } from "../../src/data/index.js";
import { applyFactors, explainClasses } from "../../src/equalize/index.js";
import { cloneModel, GraphBuilder, indexGraph, isOp, type Model, Tensor } from "../../src/graph/index.js";
import { linearLayers } from "../../src/operators/index.js";
import { equalizeDynamic } from "../../src/steps/index.js";
import { runner } from "../helpers/runner.js";
import { observeShapes, randomFeeds, requiredInputFeeds } from "./feeds.js";
import { classesOf, drift, outputsOf, randomFactors } from "./helpers.js";
import { type NormForm, transformerBlock } from "./transformer.js";

const FORMS: NormForm[] = [
  "LayerNormalization",
  "written out",
  "SimplifiedLayerNormalization",
  "SkipLayerNormalization",
];

/** The network with every MatMul rounded as DynamicQuantizeLinear and int8 weights a column do, in floats. */
function rounded(model: Model): Model {
  const copy = cloneModel(model);
  const builder = new GraphBuilder(copy.graph);
  for (const { node, tensor, outChannels } of linearLayers(copy.graph)) {
    const weights = Float32Array.from(tensor.array() as Float32Array);
    for (let column = 0; column < outChannels; column++) {
      let most = 0;
      for (let at = column; at < weights.length; at += outChannels) most = Math.max(most, Math.abs(weights[at]!));
      const step = most / 127;
      for (let at = column; at < weights.length; at += outChannels)
        weights[at] = Math.round(weights[at]! / step) * step;
    }
    const { outputs } = builder.nodes("DynamicQuantizeLinear", [node.inputs[0]!], {}, { outputs: 3 });
    node.inputs[0] = builder.node("DequantizeLinear", outputs);
    node.inputs[1] = builder.constant(Tensor.float32(tensor.dims, weights), "rounded");
  }
  return copy;
}

async function sqnrDb(original: Model, model: Model): Promise<number> {
  const feeds = Array.from({ length: 16 }, (_, k) => randomFeeds(original, 900 + k));
  const outputs = (one: Model) =>
    runner.using(one, async (session) => {
      const all: Float32Array[] = [];
      for (const own of feeds) all.push(Object.values(await session.run(own))[0]!.data as Float32Array);
      return all;
    });
  const [expected, actual] = [await outputs(original), await outputs(rounded(model))];
  let [signal, noise] = [0, 0];
  expected.forEach((values, k) => {
    values.forEach((x, i) => {
      signal += x * x;
      noise += (x - actual[k]![i]!) ** 2;
    });
  });
  return 10 * Math.log10(signal / noise);
}

describe("scale classes of a transformer", () => {
  for (const form of FORMS) {
    for (const order of ["post", "pre"] as const) {
      it(`any factors leave the function as it is: ${form}, ${order}`, async () => {
        const model = transformerBlock(3, form, order);
        const feeds = randomFeeds(model, 4, 2);
        const before = await outputsOf(model, feeds);
        const scaled = cloneModel(model);
        const classes = await classesOf(scaled);
        expect(applyFactors(scaled, classes, randomFactors(classes, 5)).modified).toBe(true);
        expect(drift(before, await outputsOf(scaled, feeds))).toBeLessThan(1e-5);
        const explained = explainClasses(model, await observeShapes(model, requiredInputFeeds(model), { runner }));
        const free = explained.filter((own) => own.free > 0);
        // V to the projection and through GELU; in front of the residual Add each normalisation too.
        expect(
          free
            .filter(({ producers }) => producers.length > 0)
            .map((own) => own.free)
            .sort(),
        ).toEqual([12, 24]);
        expect(free.filter(({ norms }) => norms.length > 0)).toHaveLength(order === "pre" ? 2 : 0);
      });
    }
  }

  it("equalizes for ranges by run, by a Mul in front of layers only where a residual Add pins the normalisation", async () => {
    for (const order of ["post", "pre"] as const) {
      const data = randomDataset([5, 12], 24, 1, { min: -2, max: 2 });
      let gain = 0;
      for (const seed of [7, 8]) {
        const model = transformerBlock(seed, "LayerNormalization", order);
        const equalized = cloneModel(model);
        const report = await equalizeDynamic(equalized, {}, { runner, data });
        expect(report.branches).toHaveLength(order === "post" ? 2 : 0);
        const index = indexGraph(equalized.graph);
        const muls = linearLayers(equalized.graph).filter(({ input }) => isOp(index.producer(input), "Mul"));
        expect(new Set(muls.map(({ input }) => input)).size).toBe(order === "post" ? 3 : 1);
        expect(report.drift!.max).toBeLessThan(1e-5);
        expect(report.noise!.after).toBeLessThan(report.noise!.before / 2);
        gain += ((await sqnrDb(model, equalized)) - (await sqnrDb(model, model))) / 2;
      }
      expect(gain).toBeGreaterThan(2);
    }
  });
});
