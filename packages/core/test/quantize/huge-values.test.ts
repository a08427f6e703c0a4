import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OutputProbe } from "../../src/analyze/index.js";
import { calibrate } from "../../src/calibrate/index.js";
import { randomDataset } from "../../src/data/index.js";
import { cloneModel, ints, type Model, Tensor } from "../../src/graph/index.js";
import { quantizationRequests, quantize } from "../../src/quantize/index.js";
import { prepareModel } from "../../src/steps/index.js";
import { testModel } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";

const context = { runner };

const DATA = randomDataset([8, 12], 16, 5, { min: -1, max: 1 });

/** softmax(x·A·xᵀ + mask)·x·B, with a causal mask of `depth`. */
function attention(depth: number): Model {
  const test = testModel(7);
  const { builder: b, model } = test;
  const x = b.input("x", ["N", 8, 12]);
  const query = b.node("MatMul", [x, test.random([12, 12], "A", 0.5)]);
  const scores = b.node("MatMul", [query, b.node("Transpose", [x], { perm: ints([0, 2, 1]) })]);
  const mask = Float32Array.from({ length: 64 }, (_, at) => (at % 8 > Math.floor(at / 8) ? depth : 0));
  const masked = b.node("Add", [scores, b.constant(Tensor.float32([1, 8, 8], mask))], {}, { name: "masked" });
  const mixed = b.node("MatMul", [b.node("Softmax", [masked]), x]);
  b.output(b.node("MatMul", [mixed, test.random([12, 5], "B", 0.5)]), "float32", ["N", 8, 5]);
  return model;
}

async function quantized(model: Model, options = {}) {
  const float = cloneModel(model);
  await prepareModel(model, context);
  const probe = await OutputProbe.of(float, DATA, context);
  const calibration = await calibrate(
    model,
    { requests: quantizationRequests(model, options) },
    { ...context, data: DATA },
  );
  const report = await quantize({ calibration, ...options })(model, context);
  return { report, error: await probe.measure(model, context) };
}

describe("a mask that shuts out", () => {
  test.each([Number.NEGATIVE_INFINITY, -3.4e38, -1e9, -1e4])(
    "of %d ruins nothing: its Add stays in float and says so",
    async (depth) => {
      const { report, error } = await quantized(attention(depth));
      expect(error.sqnrDb).toBeGreaterThan(25);
      expect(report.skipped.map(({ node }) => node)).toContain("masked");
    },
  );

  test("of an ordinary size is an operand like any other", async () => {
    const { report } = await quantized(attention(-3));
    expect(report.skipped).toEqual([]);
  });
});

test("a mask behind the last layer is not folded into its bias", async () => {
  const build = testModel(9);
  const { builder: b, model } = build;
  const logits = b.node("Gemm", [
    b.node("Flatten", [b.input("x", ["N", 8, 12])]),
    build.random([96, 6], "w", 0.3),
    build.random([6], "b"),
  ]);
  b.output(
    b.node("Add", [logits, b.constant(Tensor.float32([1, 6], [0, -1e9, 0, -1e9, 0, 0]))], {}, { name: "masked" }),
    "float32",
    ["N", 6],
  );
  const { error } = await quantized(model);
  expect(error.sqnrDb).toBeGreaterThan(25);
});

test("a Clip and its encoding load in ONNX Runtime wherever the range ends around the bounds", async () => {
  const build = (low: number, high: number, gain: number) => {
    const test = testModel(11);
    const { builder: b, model } = test;
    const x = b.input("x", ["N", 3, 6, 6]);
    const y = b.node("Conv", [x, test.random([4, 3, 3, 3], "w", gain)], { kernel_shape: ints([3, 3]) });
    const clipped = b.node("Clip", [y, b.constant(low), b.constant(high)]);
    b.output(b.node("Conv", [clipped, test.random([2, 4, 1, 1], "v", 0.5)], { kernel_shape: ints([1, 1]) }));
    return model;
  };
  const images = randomDataset([3, 6, 6], 4, 2, { min: -1, max: 1 });
  const near = fc.double({ min: 0.97, max: 1.03, noNaN: true });
  await fc.assert(
    fc.asyncProperty(
      fc.double({ min: -4, max: 0, noNaN: true }),
      fc.double({ min: 0.5, max: 6, noNaN: true }),
      near,
      near,
      async (low, high, below, above) => {
        const model = build(Math.fround(low), Math.fround(high), 1);
        const requests = quantizationRequests(model, {});
        const calibration = await calibrate(model, { requests }, { ...context, data: images });
        const value = model.graph.nodes[1]!.outputs[0]!;
        const statistics = calibration.values.get(value)!;
        statistics.min = low * below;
        statistics.max = high * above;
        await quantize({ calibration })(model, context);
        await context.runner.using(model, async () => undefined);
      },
    ),
    { numRuns: 60, seed: 20261130 },
  );
});

test("layers of one weight share one encoding and one copy, with one scale a channel too", async () => {
  const test = testModel(13);
  const { builder: b, model } = test;
  const x = b.input("x", ["N", 8, 12]);
  const shared = test.random([12, 12], "w", 0.4);
  let value = x;
  for (let step = 0; step < 4; step++) {
    const bias = b.constant(Tensor.float32([12], new Float32Array(12).fill(10 ** step)));
    value = b.node("Tanh", [b.node("Add", [b.node("MatMul", [value, shared]), bias])]);
  }
  b.output(b.node("MatMul", [value, test.random([12, 3], "v")]), "float32", ["N", 8, 3]);
  await quantized(model, { granularity: "per-channel" });
  const copies = [...model.graph.initializers].filter(([name, { dims }]) => name.startsWith("w") && dims.length === 2);
  expect(copies).toHaveLength(1);
});

test("a MatMul whose weight is a batch of matrices runs with weights a channel", async () => {
  const test = testModel(17);
  const { builder: b, model } = test;
  b.output(b.node("MatMul", [b.input("x", ["N", 8, 12]), test.random([8, 12, 5], "w")]), "float32", ["N", 8, 5]);
  const { error } = await quantized(model, { granularity: "per-channel" });
  expect(error.sqnrDb).toBeGreaterThan(25);
});
