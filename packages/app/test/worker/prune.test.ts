import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  cloneModel,
  compress,
  createRunner,
  DIGIT_SPLIT,
  digitDataset,
  parseModel,
  prepareModel,
} from "@equant/core/lab";
import * as ort from "onnxruntime-node";
import { expect, test, vi } from "vitest";
import { pruneModel } from "../../src/worker/prune.js";

const runner = createRunner(ort as never, { threads: 1 });
vi.mock("../../src/worker/ort.js", () => ({ runner: async () => runner }));

const call = { signal: new AbortController().signal, onProgress: () => undefined };
const data = {
  calibrate: digitDataset({ ...DIGIT_SPLIT.train, count: 16 }),
  validate: digitDataset({ ...DIGIT_SPLIT.heldOut, count: 20 }),
};
const original = parseModel(readFileSync(join(import.meta.dirname, "../../../cli/assets/digits.onnx")));

test.each([
  { method: "synflow", granularity: "weights", sparsity: 0.8, steps: 4 },
  { method: "taylor", granularity: "weights", sparsity: 0.5, steps: 2 },
  { method: "magnitude", granularity: "channels", sparsity: 0.5, steps: 2 },
] as const)("what the screen shows of $method, $granularity is what the recipe's step gives", async (settings) => {
  const folded = cloneModel(original);
  await prepareModel(folded, { runner });
  const shown = await pruneModel(folded, data, settings, call);
  const steps = [{ use: "fold" }, { use: "prune", ...settings }, { use: "quantize" }] as const;
  const { floatModel } = await compress(original, { steps }, { runner, data: data.calibrate });
  const weights = (model: typeof floatModel) =>
    [...model.graph.initializers].map(([name, tensor]) => [name, tensor.dims, [...tensor.bytes()]] as const);
  expect(weights(parseModel(shown.bytes))).toEqual(weights(floatModel));
  expect(shown.section.layers.length).toBeGreaterThan(2);
});
