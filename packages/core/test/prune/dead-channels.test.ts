import { describe, expect, it } from "vitest";
import {
  cloneModel,
  createRandom,
  type HostTensor,
  int,
  ints,
  linearLayers,
  type Model,
  observeShapes,
  removeDeadChannels,
  requiredInputs,
  sizeOf,
  Tensor,
  zeroFeeds,
} from "../../src/index.js";
import { testModel } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";

const conv = (pads: number) => ({ pads: ints([pads, pads, pads, pads]) });

/** Relu behind it is 0 for these channels, whatever comes: the bias is far below every sum over inputs in [−1, 1]. */
function deaden(model: Model, layer: string, channels: readonly number[], bias = -1e4): void {
  const { node, bias: name } = linearLayers(model.graph).find((each) => each.node.name === layer)!;
  const old = model.graph.initializers.get(name!)!;
  const values = Float32Array.from(old.numbers());
  for (const channel of channels) values[channel] = bias;
  model.graph.initializers.set(name!, Tensor.float32(old.dims, values));
  expect(node.inputs[2]).toBe(name);
}

/** conv1 → relu → depthwise → relu6 → pointwise → relu → average → flatten → gemm, on [N, 3, 8, 8]. */
function mobile(seed: number): Model {
  const test = testModel(seed);
  const { builder, model, random } = test;
  const input = builder.input("input", ["N", 3, 8, 8]);
  const layer = (data: string, dims: number[], name: string, attributes = {}) =>
    builder.node("Conv", [data, random(dims, `${name}.w`, 0.5), random([dims[0]!], `${name}.b`)], attributes, { name });
  const bounds = [builder.constant(0, "zero"), builder.constant(6, "six")];
  const one = builder.node("Relu", [layer(input, [6, 3, 3, 3], "conv1", conv(1))]);
  const deep = layer(one, [6, 1, 3, 3], "depthwise", { ...conv(1), group: int(6) });
  const two = builder.node("Clip", [deep, ...bounds]);
  const three = builder.node("Relu", [layer(two, [5, 6, 1, 1], "pointwise")]);
  const flat = builder.node("Flatten", [
    builder.node("AveragePool", [three], { kernel_shape: ints([4, 4]), strides: ints([4, 4]) }),
  ]);
  const logits = builder.node("Gemm", [flat, random([20, 4], "fc.w"), random([4], "fc.b")], {}, { name: "fc" });
  builder.output(logits, "float32", ["N", 4]);
  return model;
}

async function outputs(model: Model, seed: number, batch = 3): Promise<Record<string, HostTensor>> {
  const random = createRandom(seed);
  const feeds = Object.fromEntries(
    requiredInputs(model.graph).map(({ name, shape }) => {
      const dims = shape!.map((dim) => (typeof dim === "number" ? dim : batch));
      const data = Float32Array.from({ length: sizeOf(dims) }, () => 2 * random.uniform() - 1);
      return [name, { dtype: "float32", dims, data } as HostTensor];
    }),
  );
  return runner.using(model, (session) => session.run(feeds), { optimization: "disabled" });
}

async function expectSameFunction(before: Model, after: Model, seed: number): Promise<void> {
  const [a, b] = [await outputs(before, seed), await outputs(after, seed)];
  expect(Object.keys(b)).toEqual(Object.keys(a));
  for (const [name, { data, dims }] of Object.entries(a)) {
    expect(b[name]!.dims).toEqual(dims);
    const values = data as Float32Array;
    const range = values.reduce((top, x) => Math.max(top, Math.abs(x)), 0);
    values.forEach((x, at) => expect(Math.abs(x - Number(b[name]!.data[at]))).toBeLessThanOrEqual(1e-5 * range));
  }
}

const shapesOf = (model: Model) => observeShapes(runner, model, zeroFeeds(model));
const inputRange = { min: -1, max: 1 };

describe("removeDeadChannels", () => {
  it("removes proved channels through depthwise, pointwise, pools and Flatten", async () => {
    const model = mobile(1);
    deaden(model, "conv1", [0, 4]);
    deaden(model, "pointwise", [2]);
    const before = cloneModel(model);
    const shapes = await shapesOf(model);
    const report = await removeDeadChannels({ shapes, inputRange })(model, {});
    expect(report.removed).toEqual([
      { layer: "conv1", opType: "Conv", channels: 6, kind: "proved", removed: [0, 4] },
      { layer: "depthwise", opType: "Conv", channels: 6, kind: "proved", removed: [0, 4] },
      { layer: "pointwise", opType: "Conv", channels: 5, kind: "proved", removed: [2] },
    ]);
    expect(linearLayers(model.graph).map(({ tensor, group }) => [...tensor.dims, group])).toEqual([
      [4, 3, 3, 3, 1],
      [4, 1, 3, 3, 4],
      [4, 4, 1, 1, 1],
      [16, 4, 1],
    ]);
    expect(report.after.parameters).toBe(4 * 28 + 4 * 10 + 4 * 5 + 16 * 4 + 4 + 2);
    expect(report.after.macs).toBe(4 * 27 * 64 + 4 * 9 * 64 + 16 * 64 + 64);
    await expectSameFunction(before, model, 7);
    const again = await removeDeadChannels({ shapes: report.shapes, inputRange })(model, {});
    expect(again.modified).toBe(false);
  });

  it("leaves a model without dead channels alone", async () => {
    const model = mobile(2);
    const before = cloneModel(model);
    const report = await removeDeadChannels({ shapes: await shapesOf(model), inputRange })(model, {});
    expect(report.modified).toBe(false);
    expect(model.graph).toEqual(before.graph);
  });
});
