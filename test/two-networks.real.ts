import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  COMPRESS_RECIPE,
  cloneModel,
  compress,
  createRunner,
  DIGIT_SPLIT,
  digitDataset,
  parseModel,
  validateModels,
} from "@equant/core";
import * as ort from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { wideDigits } from "../packages/app/src/demo/wide-digits.js";

/**
 * What any clone can measure: the digit network of the repository (Apache-2.0, docs/digits.md), and the same function with
 * its channels scaled apart, which 8 bits a tensor cannot hold. The larger networks are described in docs/figures.md.
 */
const digits = readFileSync(join(import.meta.dirname, "../packages/cli/assets/digits.onnx"));
const context = { runner: createRunner(ort as never, { threads: 2 }) };
const calibration = digitDataset({ ...DIGIT_SPLIT.train, count: 100 });
const heldOut = digitDataset(DIGIT_SPLIT.heldOut);

const PER_TENSOR = { use: "quantize", granularity: "per-tensor" } as const;
const PLAIN = { steps: [{ use: "fold" }, PER_TENSOR] } as const;
const PRESET = {
  steps: COMPRESS_RECIPE.map((step) => (step.use === "quantize" ? { ...step, ...PER_TENSOR } : step)),
};
const NETWORKS = [
  { name: "digits", bytes: digits, plain: { least: 99, most: 100 } },
  { name: "digits, channels scaled apart", bytes: wideDigits(digits), plain: { least: 0, most: 20 } },
];

describe.each(NETWORKS)("$name", ({ bytes, plain }) => {
  test("top-1 in %, int8 per tensor: plain, and with the default recipe", async () => {
    const model = parseModel(await bytes);
    const top1 = async (options: Parameters<typeof compress>[1]) => {
      const result = await compress(cloneModel(model), options, { ...context, data: calibration });
      const candidate = parseModel(result.bytes);
      const report = await validateModels(
        candidate,
        { baseline: model, latency: false },
        { ...context, data: heldOut },
      );
      return { float: 100 * report.baseline!.top1!, int8: 100 * report.candidate.top1!, bytes: result.bytes.length };
    };
    const naive = await top1(PLAIN);
    const best = await top1(PRESET);
    process.stdout.write(
      `float ${naive.float.toFixed(2)}, plain ${naive.int8.toFixed(2)}, compress ${best.int8.toFixed(2)}\n`,
    );
    expect(naive.float).toBeGreaterThan(99);
    expect(naive.int8).toBeGreaterThanOrEqual(plain.least);
    expect(naive.int8).toBeLessThanOrEqual(plain.most);
    expect(best.int8).toBeGreaterThan(best.float - 0.5);
    expect(best.bytes).toBeLessThan(0.4 * digits.length);
  });
});
