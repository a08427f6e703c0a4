import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { beforeAll, describe, expect, test } from "vitest";
import {
  type CompressResult,
  cloneModel,
  compress,
  createRunner,
  DIGIT_SPLIT,
  digitDataset,
  type FloatTarget,
  keepInFloat,
  type Model,
  parseModel,
  quantize,
  type RecipeStep,
  serializeModel,
  validateModels,
} from "../../src/lab.js";

const runner = createRunner(ort as never, { threads: 1 });
const original = parseModel(readFileSync(join(import.meta.dirname, "../../../cli/assets/digits.onnx")));
const calibrate = digitDataset({ ...DIGIT_SPLIT.train, count: 24 });
const validate = digitDataset({ ...DIGIT_SPLIT.heldOut, count: 100 });
const steps: readonly RecipeStep[] = [{ use: "fold" }, { use: "quantize", weightBits: 2, granularity: "per-tensor" }];
let result: CompressResult;
beforeAll(async () => {
  result = await compress(original, { steps }, { runner, data: calibrate });
});

function search(target: FloatTarget, controller = new AbortController(), onTrial = (_count: number) => {}) {
  const input = {
    original,
    result,
    steps,
    calibrate,
    validate,
    onTrial: (all: readonly unknown[]) => onTrial(all.length),
  };
  return keepInFloat(input, target, { runner, signal: controller.signal });
}

async function measured(candidate: Model) {
  const options = { baseline: original, latency: false } as const;
  const report = await validateModels(candidate, options, { runner, data: validate });
  return { drop: report.drop!, sqnrDb: report.logitSqnrDb!, bytes: serializeModel(candidate).length };
}

/** The network quantized without these layers by the public call, measured by validation. */
async function naive(layers: readonly string[]) {
  const model = cloneModel(result.floatModel);
  const options = {
    calibration: result.calibration,
    weightBits: 2,
    granularity: "per-tensor",
    exclude: [...layers],
  } as const;
  await quantize(options)(model, { runner });
  return measured(model);
}

describe("layers kept in float", () => {
  test.each([
    { kind: "db", value: 12 },
    { kind: "drop", value: 2 },
  ] as const)("$kind $value: holds, as validation says, and without any of the layers it does not", async (target) => {
    const { first, best, trials } = await search(target);
    expect(first.holds, "2 bits should miss it").toBe(false);
    expect(best.holds).toBe(true);
    expect(trials).toContain(best);
    const holds = ({ drop, sqnrDb }: { drop: number; sqnrDb: number }) =>
      target.kind === "db" ? sqnrDb >= target.value : drop <= target.value / 100 + 1e-9;
    const found = await naive(best.layers);
    expect(holds(found)).toBe(true);
    expect(found.bytes).toBe(best.bytes);
    expect(found.sqnrDb).toBeCloseTo(best.sqnrDb, 3);
    for (const layer of best.layers) {
      expect(holds(await naive(best.layers.filter((other) => other !== layer))), `without ${layer}`).toBe(false);
    }
  });

  test("biases are corrected where the recipe corrects them: a trial is the file that a run gives", async () => {
    const corrected: readonly RecipeStep[] = [...steps, { use: "bias-correct" }];
    const run = await compress(original, { steps: corrected }, { runner, data: calibrate });
    const input = { original, result: run, steps: corrected, calibrate, validate };
    const { best } = await keepInFloat(input, { kind: "db", value: 12 }, { runner });
    expect(best.layers.length).toBeGreaterThan(0);
    const excluded = { use: "quantize", weightBits: 2, granularity: "per-tensor", exclude: [...best.layers] } as const;
    const again = await compress(
      original,
      { steps: [{ use: "fold" }, excluded, { use: "bias-correct" }] },
      { runner, data: calibrate },
    );
    const { sqnrDb, bytes } = await measured(again.model);
    expect(best.bytes).toBe(bytes);
    expect(best.sqnrDb).toBeCloseTo(sqnrDb, 6);
    expect((await naive(best.layers)).sqnrDb).not.toBeCloseTo(sqnrDb, 3);
  });

  test("ranges are those that the run took, also where its recipe asked for others", async () => {
    const asked = [{ use: "fold" }, { use: "quantize", weightBits: 2, calibrator: "tail" }] as const;
    const input = { original, result, steps: asked, calibrate, validate };
    const { best } = await keepInFloat(input, { kind: "db", value: 12 }, { runner });
    expect(best.holds).toBe(true);
    expect((await naive(best.layers)).bytes).toBe(best.bytes);
  });

  test("a target that holds already costs nothing", async () => {
    const { best, trials } = await search({ kind: "drop", value: 100 });
    expect(best.layers).toEqual([]);
    expect(trials.length).toBe(1);
  });

  test("one that no layer reaches is said to be missed, with the best there is", async () => {
    const { best, first } = await search({ kind: "db", value: 290 });
    expect(best.holds).toBe(false);
    expect(best.sqnrDb).toBeGreaterThan(first.sqnrDb);
  });

  test("it can be cancelled between trials", async () => {
    const controller = new AbortController();
    const searched = search({ kind: "db", value: 290 }, controller, (count) => count === 2 && controller.abort());
    await expect(searched).rejects.toMatchObject({ code: "E6005" });
  });
});
