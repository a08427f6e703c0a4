import { describe, expect, test } from "vitest";
import { randomDataset, subset } from "../../src/data/index.js";
import { chooseRanges } from "../../src/pipeline/choose-ranges.js";
import { randomNetwork } from "../equalize/random-network.js";
import { runner } from "../helpers/runner.js";

const context = { runner };
const model = randomNetwork(5, ["convRelu", "residual"]).model;
const samples = randomDataset([3, 6, 6], 32, 1, { min: -1, max: 1 });
const ask = (quantize: { calibrator?: string; weightBits?: number }, dataset = samples) =>
  chooseRanges({ original: model, model, dataset, quantize, corrects: false }, context);

describe("the chooser of ranges is judged like a step", () => {
  test("takes the better of the two on samples that neither has seen", async () => {
    for (const calibrator of ["tail", "percentile:90", "mse"]) {
      const { errors, calibrator: taken } = (await ask({ calibrator }))!;
      expect(taken).toBe(errors.plain.sqnrDb > errors.own.sqnrDb ? "minmax" : calibrator);
    }
    // A tenth of all values cut off is worse than none.
    expect((await ask({ calibrator: "percentile:90" }))!.calibrator).toBe("minmax");
  });

  test("has nothing to compare with minmax itself, or with too few samples to hold any back", async () => {
    expect(await ask({})).toBeUndefined();
    const few = subset(samples, [0, 1, 2, 3]);
    expect(await ask({ calibrator: "tail" }, few)).toBeUndefined();
  });
});
