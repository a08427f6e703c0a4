import { describe, expect, test } from "vitest";
import { OutputProbe } from "../../src/analyze/output-probe.js";
import { calibrate } from "../../src/calibrate/index.js";
import { splitSamples } from "../../src/correct/index.js";
import { randomDataset, subset } from "../../src/data/index.js";
import { cloneModel, type Model, Tensor } from "../../src/graph/index.js";
import { chooseResult } from "../../src/pipeline/choose-result.js";
import { compress } from "../../src/pipeline/index.js";
import { quantizationRequests, quantize } from "../../src/quantize/index.js";
import { randomNetwork } from "../equalize/random-network.js";
import { runner } from "../helpers/runner.js";

const context = { runner };
const model = randomNetwork(5, ["convRelu", "residual"]).model;
const samples = randomDataset([3, 6, 6], 32, 1, { min: -1, max: 1 });

/** What plain quantization calibrated on `learn` gives on other samples, by the public transform alone. */
async function plainDb(of: Model, dataset = samples) {
  const { learn, check } = splitSamples(dataset);
  const quantized = cloneModel(of);
  const calibration = await calibrate(of, { requests: quantizationRequests(of) }, { ...context, data: learn });
  await quantize({ calibration })(quantized, {});
  return (await (await OutputProbe.of(of, check, context)).measure(quantized, context)).sqnrDb;
}

async function ask(options: { calibrator?: string }, dataset = samples, recipe = model) {
  const split = splitSamples(dataset);
  const state = async (of: Model) => ({
    model: of,
    calibration: await calibrate(
      of,
      { requests: quantizationRequests(of, options) },
      { ...context, data: split.learn },
    ),
  });
  const plain = await state(model);
  const question = { original: model, recipe: recipe === model ? plain : await state(recipe), plain };
  return chooseResult({ ...question, samples: split, quantize: options }, context);
}

/** The same network with one layer's weights damaged: what a step that learned too well leaves. */
function damaged(): Model {
  const other = cloneModel(model);
  const [name, tensor] = [...other.graph.initializers].find(([, { dims }]) => dims.length === 4)!;
  const values = Float32Array.from(tensor.array() as Float32Array, (value, at) => (at % 3 === 0 ? 0 : value));
  other.graph.initializers.set(name, Tensor.float32(tensor.dims, values));
  return other;
}

describe("the recipe is held against plain quantization", () => {
  test("takes the best of the ways on samples that none has seen", async () => {
    for (const calibrator of ["tail", "percentile:90", "mse"]) {
      const { sqnrDb, taken, heldOut } = (await ask({ calibrator }))!;
      expect(heldOut).toBe(true);
      expect(sqnrDb.plain).toBeCloseTo(await plainDb(model), 6);
      expect(sqnrDb[taken]).toBe(Math.max(...Object.values(sqnrDb)));
    }
    // A tenth of all values cut off is worse than none.
    expect((await ask({ calibrator: "percentile:90" }))!.taken).not.toBe("recipe");
  });

  test("a network that lost on the way gives place to the plain one, and the verdict says by how much", async () => {
    const { taken, verdict, sqnrDb } = (await ask({ calibrator: "tail" }, samples, damaged()))!;
    expect(taken).toBe("plain");
    expect(verdict).toMatchObject({ kept: false, better: false });
    expect(verdict.sqnrDbBefore).toBeCloseTo(sqnrDb.plain!, 6);
    expect(verdict.sqnrDbAfter).toBeLessThan(sqnrDb.plain!);
  });

  test("has nothing to compare where the recipe is plain quantization; says where no sample could be held back", async () => {
    expect(await ask({})).toBeUndefined();
    const few = subset(samples, [0, 1, 2, 3]);
    expect(await ask({ calibrator: "tail" }, few)).toMatchObject({ heldOut: false, samples: 4 });
  });
});

test("compress undoes every step where plain quantization is better, and leaves what was asked for", async () => {
  const forced = await compress(
    model,
    {
      steps: [
        { use: "equalize", method: "one-step", keep: "always" },
        { use: "quantize", calibrator: "percentile:60" },
      ],
    },
    { ...context, data: samples },
  );
  expect(forced.choice!.taken).not.toBe("recipe");
  expect(forced.steps.map(({ step, kept }) => [step, kept])).toEqual([
    ["equalize", true],
    ["quantize", true],
  ]);
  const { calibrator } = forced.choice!;
  expect(calibrator).toBe("percentile:60");
  // Ranges come from all samples: those of minmax reach as far as any value does.
  expect(forced.calibration.samples).toBe(32);
});
