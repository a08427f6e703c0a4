import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type CompressResult,
  cloneModel,
  compress,
  createRunner,
  DIGIT_SPLIT,
  digitDataset,
  parseModel,
  type QuantizeOptions,
  quantize,
  serializeModel,
  validateModels,
} from "@equant/core";
import * as ort from "onnxruntime-node";
import { beforeAll, describe, expect, test, vi } from "vitest";
import type { FixTarget } from "../../src/protocol.js";
import { fixIt } from "../../src/worker/fix-it.js";

const runner = createRunner(ort as never, { threads: 1 });
vi.mock("../../src/worker/ort.js", () => ({ runner: async () => runner }));

const original = parseModel(readFileSync(join(import.meta.dirname, "../../../cli/assets/digits.onnx")));
const calibrate = digitDataset({ ...DIGIT_SPLIT.train, count: 24 });
const validate = digitDataset({ ...DIGIT_SPLIT.heldOut, count: 100 });
const options: QuantizeOptions = { weightBits: 2 };
let result: CompressResult;
beforeAll(async () => {
  const steps = [{ use: "fold" }, { use: "quantize", ...options }] as const;
  result = await compress(original, calibrate, { steps }, { runner });
});

function search(target: FixTarget, controller = new AbortController(), onTrial = (_count: number) => {}) {
  const input = { original, result, bytes: result.bytes, options, calibrate, validate };
  const onProgress = ({ part }: { part?: unknown }) => part && onTrial((part as unknown[]).length);
  return fixIt(input, target, { signal: controller.signal, onProgress });
}

/** The network quantized without these layers by the public call, measured by validation. */
async function naive(layers: readonly string[]) {
  const model = cloneModel(result.floatModel);
  await quantize(result.calibration, { ...options, exclude: { nodes: [...layers] } })(model, { runner });
  const report = await validateModels(
    { candidate: model, baseline: original, dataset: validate, latency: false },
    { runner },
  );
  return { drop: report.drop!, sqnrDb: report.logitSqnrDb!, bytes: serializeModel(model).length };
}

describe("fix it", () => {
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
    const measured = await naive(best.layers);
    expect(holds(measured)).toBe(true);
    expect(measured.bytes).toBe(best.bytes);
    expect(measured.sqnrDb).toBeCloseTo(best.sqnrDb, 3);
    for (const layer of best.layers) {
      expect(holds(await naive(best.layers.filter((own) => own !== layer))), `without ${layer}`).toBe(false);
    }
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
