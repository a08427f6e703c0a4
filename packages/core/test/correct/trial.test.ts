import { describe, expect, it } from "vitest";
import { correctBiases, TrialCorrection } from "../../src/correct/index.js";
import { randomDataset } from "../../src/data/index.js";
import { cloneModel, type Model } from "../../src/graph/index.js";
import type { Runner } from "../../src/runtime/index.js";
import { NETWORKS } from "../helpers/networks.js";
import { applyTo, biasOf, quantized, runner } from "../helpers/quantized.js";

const COARSE = { weightBits: 4 } as const;
const DATA = randomDataset([3, 8, 8], 12, 7, { min: -1, max: 2 });

/** The runner, and how many sessions were opened with it. */
function counting(): { runner: Runner; opened: () => number } {
  let count = 0;
  const using: Runner["using"] = (model, use, options) => {
    count++;
    return runner.using(model, use, options);
  };
  return { runner: { ...runner, using }, opened: () => count };
}

describe("a trial correction", () => {
  for (const [name, build] of Object.entries(NETWORKS)) {
    for (const granularity of ["per-tensor", "per-channel"] as const) {
      it(`${name}, ${granularity}: gives the biases that the walk from layer to layer gives, in two sessions`, async () => {
        const options = { ...COARSE, granularity };
        const trial = await quantized(build(), DATA, options);
        const walked = await quantized(build(), DATA, options);
        await applyTo(correctBiases, { ...walked, dataset: DATA, keep: "always" }, { runner });
        const { runner: counted, opened } = counting();
        await new TrialCorrection({ runner: counted, data: DATA }).correct(trial);
        expect(opened()).toBeLessThanOrEqual(2);
        let moved = 0;
        for (const [at, { layer }] of trial.plan.parameters.entries()) {
          const ours = biasOf(trial.model, layer.node);
          const theirs = biasOf(walked.model, walked.plan.parameters[at]!.layer.node);
          const before = await quantizedBias(build(), options, at);
          const shifts = theirs.integers.map((q, c) => Math.abs(q - before[c]!));
          const largest = shifts.reduce((a, b) => Math.max(a, b), 0);
          moved += largest;
          // Float sums in place of integer ones turn a rounding here and there.
          for (const [c, q] of ours.integers.entries())
            expect(Math.abs(q - theirs.integers[c]!)).toBeLessThanOrEqual(Math.max(0.02 * largest, 2));
        }
        expect(moved).toBeGreaterThan(0);
      });
    }
  }

  it("takes the float means once for all quantized forms of a network", async () => {
    const floatModel = NETWORKS.residual!();
    const first = await quantized(floatModel, DATA, COARSE);
    const second = await quantized(cloneModel(floatModel), DATA, COARSE);
    const { runner: counted, opened } = counting();
    const trial = new TrialCorrection({ runner: counted, data: DATA });
    await trial.correct(first);
    const once = opened();
    await trial.correct({ ...second, floatModel });
    expect(opened()).toBe(once + 1);
  });

  it("walks from layer to layer where the samples do not share a run", async () => {
    const data = randomDataset([3, 8, 8], 6, 7, { min: -1, max: 2 });
    const fixed = (model: Model) => {
      const [input] = model.graph.inputs;
      model.graph.inputs = [{ ...input!, shape: [1, ...input!.shape!.slice(1)] }];
      return model;
    };
    const trial = await quantized(fixed(NETWORKS.chain!()), data, COARSE);
    const walked = await quantized(fixed(NETWORKS.chain!()), data, COARSE);
    await new TrialCorrection({ runner, data }).correct(trial);
    await applyTo(correctBiases, { ...walked, dataset: data, keep: "always" }, { runner });
    for (const [at, { layer }] of trial.plan.parameters.entries())
      expect(biasOf(trial.model, layer.node)).toEqual(biasOf(walked.model, walked.plan.parameters[at]!.layer.node));
  });
});

async function quantizedBias(model: Model, options: object, at: number) {
  const { model: before, plan } = await quantized(model, DATA, options);
  return biasOf(before, plan.parameters[at]!.layer.node).integers;
}
