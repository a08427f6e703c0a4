import * as ort from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { measureSqnr, OutputProbe, sensitivity, validateModels } from "../../src/analyze/index.js";
import { calibrate } from "../../src/calibrate/index.js";
import { randomDataset } from "../../src/data/index.js";
import { equalize } from "../../src/equalize/index.js";
import { cloneModel, ints, type Model, parseModel, Tensor } from "../../src/graph/index.js";
import { compress } from "../../src/pipeline/index.js";
import { planQuantization, quantizationRequests } from "../../src/quantize/index.js";
import { createRunner, Feed, observeShapes, zeroFeeds } from "../../src/runtime/index.js";
import { COMPRESS_RECIPE, equalizationInput, prepareModel, type RecipeStep } from "../../src/steps/index.js";
import { batchNorm, testModel } from "../helpers/build.js";

const context = { runner: createRunner(ort as never, { threads: 1 }) };
/** No multiple of 4: the last run of a model that insists on 4 has samples missing. */
const DATA = { ...randomDataset([3, 12, 12], 18, 8, { min: -1, max: 1 }), label: (index: number) => index % 5 };
/** Every step in a form without a choice that the order of sums in float could decide: a flat optimum, two ranges of nearly the same noise. */
const STEPS: RecipeStep[] = COMPRESS_RECIPE.map((step) => {
  if (step.use === "equalize") return { use: "equalize", method: "one-step" };
  return step.use === "quantize" ? { use: "quantize" } : step;
});

/** Conv, BatchNormalization, Relu, Conv, pooling, Gemm; `batch` also stands in its Reshape, as exporters write it. */
function network(batch: number | "N"): Model {
  const test = testModel(3);
  const { builder, model } = test;
  const conv = (data: string, from: number, to: number, name: string) =>
    builder.node(
      "Conv",
      [data, test.random([to, from, 3, 3], `${name}.weight`, 0.3), test.random([to], `${name}.bias`, 0.2)],
      { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) },
      { name },
    );
  const input = builder.input("input", [batch, 3, 12, 12]);
  const first = builder.node("Relu", [batchNorm(test, conv(input, 3, 40, "a"), 40)], {}, { name: "relu" });
  const second = builder.node("Relu", [conv(first, 40, 6, "b")], {}, { name: "relu2" });
  const pooled = builder.node("AveragePool", [second], { kernel_shape: ints([6, 6]), strides: ints([6, 6]) });
  const shape = builder.constant(Tensor.int64([2], [batch === "N" ? 0 : batch, 24]), "flat.shape");
  const flat = builder.node("Reshape", [pooled, shape], {}, { name: "flat" });
  const gemm = [flat, test.random([24, 5], "c.weight", 0.3), test.random([5], "c.bias")];
  builder.output(builder.node("Gemm", gemm, {}, { name: "c" }), "float32", [batch, 5]);
  return model;
}

async function prepared(batch: number | "N"): Promise<Model> {
  const model = network(batch);
  await prepareModel(model, context);
  return model;
}

const requestsOf = (model: Model) =>
  quantizationRequests(model, {}).map((request) => ({ ...request, moments: true, histogram: true }));

/** Numbers of a JSON-safe value by path, everything else as text. */
function facts(value: unknown, path = "", into = new Map<string, number | string>()): Map<string, number | string> {
  if (typeof value === "number") into.set(path, value);
  else if (value && typeof value === "object")
    for (const [key, item] of Object.entries(value)) facts(item, `${path}/${key}`, into);
  else into.set(path, String(value));
  return into;
}

/** Equal but for the order in which ONNX Runtime adds the products of one row or of several. */
function expectAlike(actual: unknown, expected: unknown, digits: number): void {
  const [a, b] = [facts(actual), facts(expected)];
  expect([...a.keys()]).toEqual([...b.keys()]);
  for (const [path, value] of b) {
    const other = a.get(path)!;
    if (typeof value !== "number" || !Number.isFinite(value)) expect(other, path).toEqual(value);
    else
      expect(Math.abs((other as number) - value), `${path}: ${other} ${value}`).toBeLessThan(
        digits * (1 + Math.abs(value)),
      );
  }
}

function weightsOf({ graph }: Model): Record<string, unknown> {
  const own = [...graph.initializers].filter(([name]) => name !== "flat.shape");
  return Object.fromEntries(
    own.map(([name, tensor]) => [name, [tensor.dtype, tensor.dims, [...(tensor.array() as Int8Array)]]]),
  );
}

test("a feed fills the last batch up with zeros and says how many samples count", async () => {
  const seen: number[][] = [];
  const feed = await Feed.of(network(4), DATA, context);
  for await (const { feeds, fed, count, firstIndex } of feed.batches({ batchSize: 7 })) {
    const { dims } = feeds.input!;
    const data = feeds.input!.data as Float32Array;
    expect([data.length, ...dims]).toEqual([4 * 432, 4, 3, 12, 12]);
    expect(data.subarray(count * 432).every((value) => value === 0)).toBe(true);
    seen.push([firstIndex, count, fed]);
  }
  expect(seen).toEqual([
    [0, 4, 4],
    [4, 4, 4],
    [8, 4, 4],
    [12, 4, 4],
    [16, 2, 4],
  ]);
  expect([feed.fixed, (await Feed.of(network("N"), DATA, context)).fixed]).toEqual([4, undefined]);
});

describe.each([1, 4])(
  "a model that insists on %i samples a run gives what the same model with an open batch gives",
  (batch) => {
    test("calibrate", async () => {
      const statistics = async (model: Model) =>
        JSON.parse((await calibrate(model, { requests: requestsOf(model) }, { ...context, data: DATA })).serialize());
      expectAlike(await statistics(await prepared(batch)), await statistics(await prepared("N")), 1e-6);
    });

    test("compress, with every step", async () => {
      const run = (model: Model) => compress(model, { steps: STEPS }, { ...context, data: DATA });
      const [fixed, open] = [await run(network(batch)), await run(network("N"))];
      const result = parseModel(fixed.bytes);
      expect(result.graph.inputs[0]!.shape).toEqual([batch, 3, 12, 12]);
      expectAlike(weightsOf(result), weightsOf(parseModel(open.bytes)), 1e-6);
      expect(fixed.steps.map(({ step, kept }) => [step, kept])).toEqual(
        open.steps.map(({ step, kept }) => [step, kept]),
      );
      expectAlike(fixed.verification, open.verification, 1e-3);
    });

    test("validate", async () => {
      const run = async (model: Model) => {
        const candidate = parseModel((await compress(model, { steps: STEPS }, { ...context, data: DATA })).bytes);
        const {
          baseline,
          candidate: measured,
          agreement,
          logitSqnrDb,
        } = await validateModels(candidate, { baseline: model, latency: false }, { ...context, data: DATA });
        return {
          top1: [baseline!.top1, measured.top1],
          macs: measured.macs,
          int8: measured.int8?.share,
          agreement,
          logitSqnrDb,
        };
      };
      expectAlike(await run(network(batch)), await run(network("N")), 1e-3);
    });

    test("debug: ratios of layers, and sensitivity", async () => {
      const run = async (model: Model) => {
        const calibration = await calibrate(
          model,
          { requests: quantizationRequests(model, {}) },
          { ...context, data: DATA },
        );
        const plan = planQuantization(model, calibration, {});
        const report = await measureSqnr(model, { plan }, { ...context, data: DATA });
        const study = await sensitivity(model, { plan, report }, { ...context, data: DATA });
        return { layers: report.layers.map(({ local, cumulative }) => ({ local, cumulative })), study };
      };
      expectAlike(await run(await prepared(batch)), await run(await prepared("N")), 1e-3);
    });

    test("equalize", async () => {
      const run = async (model: Model) => {
        const probe = await OutputProbe.of(cloneModel(model), DATA, context);
        const shapes = await observeShapes(model, zeroFeeds(model), { runner: context.runner });
        const report = await equalize(await equalizationInput(model, shapes, {}, { ...context, data: DATA }))(
          model,
          context,
        );
        expect((await probe.measure(model, context)).maxDrift).toBeLessThan(1e-5);
        return report.layers;
      };
      expectAlike(await run(await prepared(batch)), await run(await prepared("N")), 1e-5);
    });
  },
);
