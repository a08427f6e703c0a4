import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createRunner, DIGIT_SPLIT, digitDataset, inspectModel, parseModel, validateModels } from "@equant/core";
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { wideDigits } from "../../src/demo/wide-digits.js";

test("the network of the second demo computes the same, with one channel far too wide", async () => {
  const bytes = readFileSync(join(import.meta.dirname, "../../../cli/assets/digits.onnx"));
  const [baseline, candidate] = [parseModel(bytes), parseModel(wideDigits(bytes))];
  const runner = createRunner(ort as never, { threads: 1 });
  const dataset = digitDataset({ ...DIGIT_SPLIT.heldOut, count: 50 });
  const report = await validateModels(candidate, { baseline, latency: false }, { runner, data: dataset });
  expect(report.agreement).toBe(1);
  expect(report.logitSqnrDb!).toBeGreaterThan(120);
  const spread = async (model: typeof baseline) =>
    (await inspectModel(model)).weights.find(({ name }) => name === "conv_2")!.spread;
  expect(await spread(candidate)).toBeGreaterThan(200 * (await spread(baseline)));
  expect(wideDigits(bytes)).toEqual(wideDigits(bytes));
});
