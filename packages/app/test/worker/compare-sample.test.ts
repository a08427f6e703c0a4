import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  calibrate,
  cloneModel,
  createModel,
  createNode,
  createRunner,
  DIGIT_SPLIT,
  digitDataset,
  labelOf,
  linearLayers,
  parseModel,
  prepareModel,
  quantizationRequests,
  quantize,
  serializeModel,
} from "@equant/core/lab";
import * as ort from "onnxruntime-node";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { comparedValues, compareSample } from "../../src/worker/compare-sample.js";
import { findConfused } from "../../src/worker/find-confused.js";
import { heatMap, meanOverChannels } from "../../src/worker/heat-map.js";

const runner = createRunner(ort as never, { threads: 1 });
vi.mock("../../src/worker/ort.js", () => ({ runner: async () => runner }));

const original = parseModel(readFileSync(join(import.meta.dirname, "../../../cli/assets/digits.onnx")));
const float = cloneModel(original);
const dataset = digitDataset({ ...DIGIT_SPLIT.heldOut, count: 60 });
const call = { signal: new AbortController().signal, onProgress: () => undefined };
const bytes: Record<"float" | "fine" | "coarse", Uint8Array> = {} as never;

beforeAll(async () => {
  await prepareModel(float, { runner });
  const data = digitDataset({ count: 16, seed: 5 });
  for (const [name, options] of [["fine", {}] as const, ["coarse", { weightBits: 2 }] as const]) {
    const model = cloneModel(float);
    const requests = quantizationRequests(model, options);
    await quantize({ calibration: await calibrate(cloneModel(model), { requests }, { runner, data }), ...options })(
      model,
      { runner },
    );
    bytes[name] = serializeModel(model);
  }
  bytes.float = serializeModel(float);
});

async function answer(model: Uint8Array, index: number): Promise<number> {
  const data = new Float32Array(28 * 28);
  await dataset.fill(index, data, 0);
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1 });
  const outputs = await session.run({ input: new ort.Tensor("float32", data, [1, 1, 28, 28]) });
  const values = Object.values(outputs)[0]!.data as Float32Array;
  await session.release();
  return values.indexOf(Math.max(...values));
}

describe("one image in two networks", () => {
  test("every layer has its output in both", () => {
    const quantized = parseModel(bytes.fine);
    for (const { node } of linearLayers(float.graph)) {
      expect(comparedValues(float, quantized, labelOf(node)), labelOf(node)).toBeDefined();
    }
    expect(comparedValues(float, quantized, "no such layer")).toBeUndefined();
  });

  test("a layer whose bounds by channel run on integers is compared behind them", () => {
    const network = (...nodes: [opType: string, inputs: string[], output: string][]) => {
      const model = createModel("clamped");
      model.graph.nodes = nodes.map(([opType, inputs, output]) =>
        createNode({ opType, name: output, inputs, outputs: [output] }),
      );
      return model;
    };
    const layer = [
      ["Conv", ["x", "w"], "conv"],
      ["Clip", ["conv", "low"], "clip"],
    ] as const;
    const start = layer.map(([opType, inputs, output]) => [opType, [...inputs], output] as [string, string[], string]);
    const before = network(...start, ["Min", ["clip", "bound"], "min"], ["Conv", ["min", "v"], "y"]);
    const after = network(
      ...start,
      ["QuantizeLinear", ["clip", "s", "z"], "clip_quantized"],
      ["Min", ["clip_quantized", "q"], "min_quantized"],
      ["DequantizeLinear", ["min_quantized", "s", "z"], "min_dq"],
      ["Conv", ["min_dq", "v"], "y"],
    );
    expect(comparedValues(before, after, "conv")).toEqual({ float: "min", quantized: "min_dq" });
  });

  test("answers are those of the networks; a coarse layer differs more than a fine one", async () => {
    const pair = { original, floatBytes: bytes.float, dataset };
    const layer = labelOf(linearLayers(float.graph)[1]!.node);
    const fine = await compareSample({ ...pair, bytes: bytes.fine }, dataset.id(7), layer, call);
    const coarse = await compareSample({ ...pair, bytes: bytes.coarse }, dataset.id(7), layer, call);
    expect(fine.float.top[0]!.name).toBe(String(dataset.classNames?.[await answer(bytes.float, 7)]));
    expect(coarse.quantized.top[0]!.name).toBe(String(dataset.classNames?.[await answer(bytes.coarse, 7)]));
    expect(fine.float.top.length).toBe(5);
    expect(fine.activation!.sqnrDb).toBeGreaterThan(coarse.activation!.sqnrDb + 10);
    expect(fine.activation!.float.max).toBeGreaterThan(0);
    expect(coarse.activation!.difference.max).toBeGreaterThan(fine.activation!.difference.max);
    await expect(compareSample({ ...pair, bytes: bytes.fine }, "nobody", null, call)).rejects.toThrow(/not among/);
  });

  test("images of a cell are those that a run one by one gives", async () => {
    const expected = new Map<string, string[]>();
    for (let index = 0; index < dataset.length; index++) {
      const key = `${dataset.label!(index)} ${await answer(bytes.coarse, index)}`;
      expected.set(key, [...(expected.get(key) ?? []), dataset.id(index)]);
    }
    const wrong = [...expected].filter(([key]) => key.split(" ")[0] !== key.split(" ")[1]);
    expect(wrong.length, "2 bits should confuse something").toBeGreaterThan(0);
    for (const [key, ids] of wrong.slice(0, 3)) {
      const [truth, answered] = key.split(" ").map(Number) as [number, number];
      const found = await findConfused(original, bytes.coarse, dataset, { truth, answer: answered }, call);
      expect(found.samples.map(({ id }) => id)).toEqual(ids.slice(0, 24));
      expect(found.found).toBe(ids.length);
    }
  });
});

describe("heat maps", () => {
  test("mean magnitude over the channels, then means of blocks", () => {
    const plane = meanOverChannels(Float32Array.of(1, -2, 3, -4, 5, 6, -7, 8), [2, 2, 2]);
    expect([...plane.values]).toEqual([3, 4, 5, 6]);
    expect(heatMap(plane)).toMatchObject({ width: 2, height: 2, max: 6 });
    const wide = heatMap({ width: 100, height: 2, values: Float32Array.from({ length: 200 }, (_, at) => at % 100) });
    expect([wide.width, wide.height]).toEqual([34, 1]);
    expect(wide.cells[0]).toBeCloseTo(1);
    expect(wide.max).toBe(99);
  });

  test("a vector becomes rows", () => {
    expect(meanOverChannels(Float32Array.of(1, -2, 3, 4, 5), [5])).toMatchObject({ width: 3, height: 2 });
  });
});
