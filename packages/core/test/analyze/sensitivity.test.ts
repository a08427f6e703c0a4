import { describe, expect, it } from "vitest";
import { singleCuts } from "../../src/analyze/cuts.js";
import { measureSqnr, OutputProbe, sensitivity } from "../../src/analyze/index.js";
import { randomDataset } from "../../src/data/index.js";
import { cloneModel, type Model } from "../../src/graph/index.js";
import { applyEmulation, planQuantization, type QuantizationPlan } from "../../src/quantize/index.js";
import { NETWORKS } from "../helpers/networks.js";
import { calibrated, runner } from "../helpers/quantized.js";

const context = { runner };
const DATA = randomDataset([3, 8, 8], 10, 31, { min: -1, max: 2 });
const OPTIONS = { weightBits: 5 } as const;

/** Output SQNR of the whole model quantized with part of its plan, every layer run. */
async function naiveDb(model: Model, restrict: (plan: QuantizationPlan) => QuantizationPlan): Promise<number> {
  const copy = cloneModel(model);
  applyEmulation(copy, restrict(planQuantization(copy, await calibrated(model, DATA, OPTIONS), OPTIONS)));
  const probe = await OutputProbe.of(model, DATA, context);
  return (await probe.measure(copy, context, { optimization: "disabled" })).sqnrDb;
}

describe("sensitivity", () => {
  for (const name of ["chain", "residual", "floatBetween"]) {
    it(`${name}: one layer alone and all but one, as whole networks give them`, async () => {
      const model = NETWORKS[name]!();
      const plan = planQuantization(model, await calibrated(model, DATA, OPTIONS), OPTIONS);
      const { layers: measured } = await measureSqnr(model, { plan, cumulative: false }, { ...context, data: DATA });
      const report = await sensitivity(model, { plan }, { ...context, data: DATA });
      expect(report.samples).toBe(10);
      expect(report.layers.length).toBe(plan.parameters.length);
      expect(report.allDb).toBeCloseTo(await naiveDb(model, (all) => all), 1);
      for (const { layer, aloneDb, withoutDb, gainDb } of report.layers) {
        const { value } = measured.find((entry) => entry.layer === layer)!;
        const isIt = (parameters: QuantizationPlan["parameters"][number]) => parameters.layer.node.name === layer;
        const alone = await naiveDb(model, (all) => ({
          ...all,
          parameters: all.parameters.filter(isIt),
          activations: new Map([...all.activations].filter(([at]) => at === value)),
        }));
        const without = await naiveDb(model, (all) => ({
          ...all,
          parameters: all.parameters.filter((parameters) => !isIt(parameters)),
          activations: new Map([...all.activations].filter(([at]) => at !== value)),
        }));
        expect(Math.abs(aloneDb - alone), `${layer} alone`).toBeLessThan(0.1);
        expect(Math.abs(withoutDb - without), `${layer} without`).toBeLessThan(0.1);
        expect(gainDb).toBeCloseTo(withoutDb - report.allDb, 9);
      }
      const gains = report.layers.map(({ gainDb }) => gainDb);
      expect(gains).toEqual(gains.toSorted((a, b) => b - a));
    });
  }

  it("top: only the layers with the lowest local ratio, from a report or measured", async () => {
    const model = NETWORKS.inception!();
    const plan = planQuantization(model, await calibrated(model, DATA, OPTIONS), OPTIONS);
    const report = await measureSqnr(model, { plan }, { ...context, data: DATA });
    const expected = report.culprits.slice(0, 2).map(({ layer }) => layer);
    for (const options of [{ top: 2, report }, { top: 2 }]) {
      const { layers } = await sensitivity(model, { plan, ...options }, { ...context, data: DATA });
      expect(layers.map(({ layer }) => layer).toSorted()).toEqual(expected.toSorted());
    }
  });

  it("runs from the last cut before a layer: later layers do not run the first ones again", async () => {
    const model = NETWORKS.chain!();
    const plan = planQuantization(model, await calibrated(model, DATA, OPTIONS), OPTIONS);
    const convs: number[] = [];
    const counting: typeof runner = {
      ...runner,
      using: (graph, use, options) => {
        if (options?.purpose === "sensitivity") {
          const { nodes } = (graph as Model).graph;
          convs.push(nodes.filter(({ opType }) => opType === "Conv" || opType === "Gemm").length);
        }
        return runner.using(graph, use, options);
      },
    };
    await sensitivity(model, { plan }, { runner: counting, data: DATA });
    // Float outputs and the whole quantized network; then 3 + 3, (1 + 2) twice, (1 + 1) twice, in whichever order.
    expect(convs.reduce((sum, count) => sum + count, 0)).toBe(3 + 3 + 6 + 6 + 4);
  });

  it("names what is wrong", async () => {
    const model = NETWORKS.chain!();
    const plan = planQuantization(model, await calibrated(model, DATA, OPTIONS), OPTIONS);
    await expect(sensitivity(model, { plan, top: 0 }, { ...context, data: DATA })).rejects.toMatchObject({
      code: "E2002",
    });
    await expect(sensitivity(model, { plan, all: 1 } as never, { ...context, data: DATA })).rejects.toMatchObject({
      code: "E2001",
    });
    await expect(sensitivity(model, { plan }, { data: DATA })).rejects.toMatchObject({ code: "E4005" });
  });
});

describe("singleCuts", () => {
  it("cuts a residual network outside its blocks only", () => {
    const { graph } = NETWORKS.residual!();
    const cuts = singleCuts(graph).map(({ value, after }) => [value, after]);
    const [stem, relu, , , , add, addRelu] = graph.nodes.map(({ outputs }) => outputs[0]!);
    expect(cuts.slice(0, 3)).toEqual([
      ["input", 0],
      [stem, 1],
      [relu, 2],
    ]);
    expect(cuts[3]).toEqual([add, 6]);
    expect(cuts[4]).toEqual([addRelu, 7]);
  });
});
