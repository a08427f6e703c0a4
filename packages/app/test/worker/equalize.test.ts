import { readFileSync } from "node:fs";
import { join } from "node:path";
import { cloneModel, compress, digitDataset, type EqualizeReport, parseModel, prepareModel } from "@equant/core/lab";
import { expect, test } from "vitest";
import { runner } from "../../../core/test/helpers/runner.js";
import { previewEqualize } from "../../src/worker/equalize.js";

const DIGITS = join(import.meta.dirname, "../../../cli/assets/digits.onnx");

test("the preview of equalization applies what a run of the recipe applies, bias correction at its end included", async () => {
  const model = parseModel(readFileSync(DIGITS));
  const prepared = cloneModel(model);
  await prepareModel(prepared, { runner });
  const dataset = digitDataset({ count: 24, seed: 3 });
  const reports: EqualizeReport[] = [];
  for (const corrected of [false, true]) {
    const steps = [
      { use: "fold" as const },
      { use: "equalize" as const, relu6: "exact" as const, keep: "always" as const },
      { use: "quantize" as const },
      ...(corrected ? [{ use: "bias-correct" as const }] : []),
    ];
    const run = await compress(model, { steps }, { runner, data: dataset });
    const ran = run.steps.find(({ step }) => step === "equalize")!.report as EqualizeReport;
    const { report, weights } = await previewEqualize(cloneModel(prepared), dataset, steps, { runner });
    expect(report.modified).toBe(true);
    expect(report.noise).toEqual(ran.noise);
    expect(report.classes).toEqual(ran.classes);
    expect(weights.every(({ before, after }) => before !== null && after !== null)).toBe(true);
    reports.push(report);
  }
  // Noise that is corrected later does not count: the factors are others.
  expect(reports[0]!.noise).not.toEqual(reports[1]!.noise);
});
