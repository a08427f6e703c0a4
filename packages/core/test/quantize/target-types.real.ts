import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { calibrate } from "../../src/calibrate/index.js";
import { randomDataset } from "../../src/data/index.js";
import { cloneModel, parseModel, serializeModel } from "../../src/graph/index.js";
import { quantizationRequests, quantize, TARGET_NAMES } from "../../src/quantize/index.js";
import { prepareModel } from "../../src/steps/index.js";
import { expectTypes } from "../helpers/file-types.js";
import { runner } from "../helpers/runner.js";
import { SHARED_MODELS, sharedModel } from "../helpers/shared.js";

test.each(SHARED_MODELS)(
  "%s: weights and biases of every target are of its row's types",
  { timeout: 60_000 },
  async (name) => {
    const float = parseModel(readFileSync(sharedModel(name)));
    await prepareModel(float, { runner });
    const [, ...shape] = float.graph.inputs[0]!.shape!;
    const dataset = randomDataset(shape as number[], 2, 1, { min: -1, max: 1 });
    for (const target of TARGET_NAMES) {
      const options = { target, processor: "avx2" as const };
      const calibration = await calibrate(
        float,
        { requests: quantizationRequests(float, options) },
        { runner, data: dataset },
      );
      const model = cloneModel(float);
      await quantize(calibration, options)(model, {});
      const counts = expectTypes(parseModel(serializeModel(model)), target, "avx2");
      expect(Object.keys(counts)).toContain("int8");
    }
  },
);
