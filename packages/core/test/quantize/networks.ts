import { type Calibration, calibrate } from "../../src/calibrate/index.js";
import { type Dataset, randomDataset } from "../../src/data/index.js";
import { cloneModel, float, int, ints, type Model, serializeModel, string, Tensor } from "../../src/graph/index.js";
import { type QuantizeOptions, type QuantizeReport, quantizationRequests, quantize } from "../../src/quantize/index.js";
import type { SessionOptions } from "../../src/runtime/index.js";
import { type TestModel, testModel } from "../helpers/build.js";
import { NETWORKS } from "../helpers/networks.js";
import { runner } from "../helpers/runner.js";

/** Networks on [N, 3, 8, 8] that hold what the others in test/helpers do not. */
export const MORE_NETWORKS: Readonly<Record<string, () => Model>> = {
  ...NETWORKS,
  movers: () =>
    build(11, (t, x) => {
      const b = t.builder;
      const a = b.node("LeakyRelu", [conv(t, x, 3, 8, "a")], { alpha: float(0.1) });
      const padded = b.node("Pad", [
        b.node("MaxPool", [a], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) }),
        int64(t, [0, 0, 1, 1, 0, 0, 0, 0]),
      ]);
      const larger = b.node("Resize", [padded, "", b.constant(Tensor.float32([4], [1, 1, 2, 2]))], {
        mode: string("nearest"),
      });
      const parts = b.nodes("Split", [larger], { axis: int(1) }, { outputs: 2 }).outputs;
      const turned = b.node("Transpose", [parts[0]!], { perm: ints([0, 1, 3, 2]) });
      const both = b.node("Concat", [turned, parts[1]!], { axis: int(1) });
      const cut = b.node("Slice", [conv(t, both, 8, 5, "b"), int64(t, [1]), int64(t, [5]), int64(t, [2])]);
      return b.node("Sigmoid", [b.node("Reshape", [cut, int64(t, [0, -1])])]);
    }),
  constants: () =>
    build(12, (t, x) => {
      const scaled = t.builder.node("Mul", [conv(t, x, 3, 6, "a"), t.positive([6, 1, 1], "gain")]);
      const moved = t.builder.node("Relu", [t.builder.node("Add", [t.random([1, 6, 1, 1], "offset"), scaled])]);
      return conv(t, moved, 6, 4, "b");
    }),
  shared: () =>
    build(13, (t, x) => {
      const weight = t.random([3, 3, 3, 3], "shared.weight", 0.3);
      const layer = (data: string, name: string) =>
        t.builder.node("Conv", [data, weight], { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) }, { name });
      return layer(t.builder.node("Relu", [layer(x, "first")]), "second");
    }),
  clamp: () =>
    build(14, (t, x) => {
      const act = t.builder.node("Relu", [conv(t, x, 3, 6, "a")]);
      return conv(t, t.builder.node("Min", [act, t.positive([6, 1, 1], "bounds")], {}, { name: "clamp" }), 6, 4, "b");
    }),
  transposed: () =>
    build(15, (t, x) => {
      const inputs = [conv(t, x, 3, 6, "a"), t.random([6, 2, 3, 3], "up.weight", 0.3), t.random([4], "up.bias")];
      const attributes = { group: int(2), kernel_shape: ints([3, 3]), strides: ints([2, 2]) };
      return t.builder.node("ConvTranspose", inputs, attributes, { name: "up" });
    }),
  attention: () =>
    build(16, (t, x) => {
      const b = t.builder;
      const rows = b.node("Transpose", [b.node("Reshape", [x, int64(t, [0, 3, 64])])], { perm: ints([0, 2, 1]) });
      const project = (name: string) => b.node("MatMul", [rows, t.random([3, 6], `${name}.weight`)], {}, { name });
      const keys = b.node("Transpose", [project("k")], { perm: ints([0, 2, 1]) });
      const scores = b.node("Softmax", [b.node("MatMul", [project("q"), keys], {}, { name: "scores" })]);
      return b.node(
        "Add",
        [b.node("MatMul", [scores, project("v")], {}, { name: "mix" }), t.random([6])],
        {},
        { name: "bias" },
      );
    }),
  outputs: () =>
    build(17, (t, x) => {
      const a = t.builder.node("Relu", [conv(t, x, 3, 4, "a")]);
      return [conv(t, a, 4, 4, "b"), a, t.builder.node("Add", [a, a], {}, { name: "twice" })];
    }),
};

export const dataset: Dataset = { ...randomDataset([3, 8, 8], 6, 5, { min: -1, max: 1.5 }), random: false };

function build(seed: number, body: (test: TestModel, input: string) => string | string[]): Model {
  const test = testModel(seed);
  for (const output of [body(test, test.builder.input("input", ["N", 3, 8, 8]))].flat()) test.builder.output(output);
  return test.model;
}

function conv(t: TestModel, data: string, from: number, to: number, name: string): string {
  const inputs = [data, t.random([to, from, 3, 3], `${name}.weight`, 0.3), t.random([to], `${name}.bias`, 0.2)];
  return t.builder.node("Conv", inputs, { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) }, { name });
}

const int64 = (t: TestModel, values: number[]) => t.builder.constant(Tensor.int64([values.length], values), "ints");

export interface Result {
  readonly float: Model;
  readonly model: Model;
  readonly calibration: Calibration;
  readonly report: QuantizeReport;
}

/** Calibrates and quantizes a copy of a model. */
export async function quantizeCopy(
  float: Model,
  options: QuantizeOptions = {},
  data: Dataset = dataset,
): Promise<Result> {
  const calibration = await calibrate(float, { requests: quantizationRequests(float, options) }, { runner, data });
  const model = cloneModel(float);
  const report = await quantize({ calibration, ...options })(model, {});
  return { float, model, calibration, report };
}

/** All samples in one feed. */
export async function feedOf(data: Dataset = dataset) {
  const size = data.shape.reduce((a, b) => a * b, 1);
  const values = new Float32Array(data.length * size);
  for (let i = 0; i < data.length; i++) await data.fill(i, values, i * size);
  return { input: { dtype: "float32", dims: [data.length, ...data.shape], data: values } } as const;
}

/** Outputs by name, from the serialized bytes: what a user would run. */
export async function outputsOf(model: Model, options: SessionOptions = {}): Promise<Record<string, Float32Array>> {
  const feeds = await feedOf();
  const results = await runner.using(serializeModel(model), (session) => session.run(feeds), options);
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data as Float32Array]));
}

/** Signal over noise in dB, all outputs together. */
export function sqnrDb(expected: Record<string, Float32Array>, actual: Record<string, Float32Array>): number {
  let signal = 0;
  let noise = 0;
  for (const [name, values] of Object.entries(expected)) {
    for (const [i, x] of values.entries()) {
      signal += x * x;
      noise += (x - actual[name]![i]!) ** 2;
    }
  }
  return 10 * Math.log10(signal / noise);
}
