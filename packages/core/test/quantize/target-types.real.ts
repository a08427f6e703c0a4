import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Calibration, ValueStatistics } from "../../src/calibrate/index.js";
import { cloneModel, parseModel, serializeModel } from "../../src/graph/index.js";
import { quantizationRequests, quantize, TARGET_NAMES } from "../../src/quantize/index.js";
import { prepareModel } from "../../src/steps/index.js";
import { expectTypes } from "../helpers/file-types.js";
import { runner } from "../helpers/runner.js";
import { sharedPath } from "../helpers/shared.js";

const MODELS = sharedPath("models");
const NAMES = readdirSync(MODELS).filter((name) => name.endsWith(".onnx"));

/** Types follow from weights and operators alone: every value ranges from −1 to 1. */
function calibrationOf(values: readonly string[]): Calibration {
  const ranges = values.map((value) => {
    const statistics = ValueStatistics.fromJSON({ min: -1, max: 1, count: 2 });
    return [value, statistics] as const;
  });
  return Calibration.collected({ values: new Map(ranges), samples: 1, complete: true, random: true, lastWidening: [] });
}

test("there are the networks that the claim is about", () => {
  expect(NAMES.length).toBeGreaterThanOrEqual(13);
});

test.each(NAMES)(
  "%s: weights and biases of every target are of its row's types",
  { timeout: 120_000 },
  async (name) => {
    const float = parseModel(readFileSync(join(MODELS, name)));
    await prepareModel(float, { runner });
    for (const target of TARGET_NAMES) {
      const options = { target, processor: "avx2" } as const;
      const requests = quantizationRequests(float, options);
      const model = cloneModel(float);
      await quantize({ calibration: calibrationOf(requests.map(({ value }) => value)), ...options })(model, {});
      const counts = expectTypes(parseModel(serializeModel(model)), target, "avx2");
      expect(Object.keys(counts)).toContain("int8");
    }
  },
);
