import { describe, expect, it } from "vitest";
import {
  type ActivationStats,
  cloneModel,
  deadChannelValues,
  float,
  int,
  ints,
  linearLayers,
  type Model,
  removeDeadChannels,
  Tensor,
} from "../../src/lab.js";
import { testModel } from "../helpers/build.js";
import { driftOf, shapesOf, valuesOf } from "./helpers.js";

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
    expect(await driftOf(before, model, 7)).toBeLessThan(1e-5);
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

  it("folds a constant into the bias of its reader: b + W·k", async () => {
    const test = testModel(4);
    const { builder, model } = test;
    const input = builder.input("input", ["N", 2]);
    const gemm = (data: string, weight: number[], dims: number[], bias: number[], name: string, attributes = {}) => {
      const constants = [Tensor.float32(dims, weight), Tensor.float32([bias.length], bias)];
      const [w, b] = constants.map((tensor, at) => builder.constant(tensor, `${name}.${"wb"[at]}`));
      return builder.node("Gemm", [data, w!, b!], attributes, { name });
    };
    // Channel 1 has no weights: it is 3 after Relu. Channel 2 is −1, 0 after Relu.
    const relu = builder.node("Relu", [gemm(input, [1, 0, 0, 2, 0, 0], [2, 3], [0.5, 3, -1], "a")]);
    const output = gemm(relu, [1, 10, 100, 2, 20, 200], [2, 3], [0.25, 0.75], "b", {
      transB: int(1),
      alpha: float(2),
      beta: float(4),
    });
    builder.output(output, "float32", ["N", 2]);
    const before = cloneModel(model);
    const report = await removeDeadChannels({ shapes: await shapesOf(model) })(model, {});
    expect(report.removed).toEqual([{ layer: "a", opType: "Gemm", channels: 3, kind: "proved", removed: [1, 2] }]);
    const b = linearLayers(model.graph)[1]!;
    expect(b.tensor.numbers()).toEqual([1, 2]);
    // beta·b + alpha·W·k: 4·0.25 + 2·10·3 and 4·0.75 + 2·20·3.
    expect(model.graph.initializers.get(b.bias!)!.numbers()).toEqual([61, 123]);
    expect(await driftOf(before, model, 1)).toBeLessThan(1e-6);
  });

  it("gives a reader without a bias one", async () => {
    for (const opType of ["Conv", "MatMul"] as const) {
      const test = testModel(5);
      const { builder, model, random } = test;
      const dims = opType === "Conv" ? ["N", 3, 4, 4] : ["N", 7, 3];
      const kernel = opType === "Conv" ? [1, 1] : [];
      const shape = (from: number, to: number) => (opType === "Conv" ? [to, from, ...kernel] : [from, to]);
      const data = builder.node(opType, [builder.input("input", dims), random(shape(3, 4), "a.w")], {}, { name: "a" });
      const constant = Tensor.float32([4, ...kernel], [0, 0, 5, 0]);
      // max(0, x − 1000) + 5 on channel 2: the constant 5.
      const low = builder.constant(Tensor.float32([4, ...kernel], [0, 0, 1000, 0]));
      const dead = builder.node("Relu", [builder.node("Sub", [data, low])]);
      const value = builder.node("Add", [dead, builder.constant(constant)]);
      builder.output(builder.node(opType, [value, random(shape(4, 2), "b.w")], {}, { name: "b" }));
      const before = cloneModel(model);
      const report = await removeDeadChannels({ shapes: await shapesOf(model), inputRange })(model, {});
      expect(report.removed).toEqual([{ layer: "a", opType, channels: 4, kind: "proved", removed: [2] }]);
      expect(linearLayers(model.graph).map(({ tensor }) => tensor.dims)).toEqual([shape(3, 3), shape(3, 2)]);
      expect(await driftOf(before, model, 2)).toBeLessThan(1e-6);
    }
  });

  it("skips a constant other than 0 in front of padding", async () => {
    const test = testModel(6);
    const { builder, model, random } = test;
    const bias = builder.constant(Tensor.float32([4], [0, 2, 0, 0]));
    const values = Float32Array.from({ length: 12 }, (_, at) => (at >= 3 && at < 6 ? 0 : 1 + at));
    const weight = builder.constant(Tensor.float32([4, 3, 1, 1], values));
    const a = builder.node("Conv", [builder.input("input", ["N", 3, 4, 4]), weight, bias], {}, { name: "a" });
    builder.output(builder.node("Conv", [a, random([2, 4, 3, 3], "b.w")], conv(1), { name: "b" }));
    const before = cloneModel(model);
    const report = await removeDeadChannels({ shapes: await shapesOf(model) })(model, {});
    expect(report.modified).toBe(false);
    expect(model.graph).toEqual(before.graph);
    expect(report.skipped).toEqual([
      {
        node: "a",
        opType: "Conv",
        reason: 'constant channels 1 stay: Conv "b" pads with zeros, where its constant 2 would be missing',
      },
    ]);
  });

  it("turns constant channels that are coupled with living ones into zeros", async () => {
    const test = testModel(7);
    const { builder, model, random } = test;
    const input = builder.input("input", ["N", 3, 4, 4]);
    const layer = (data: string, from: number, name: string) =>
      builder.node("Conv", [data, random([4, from, 3, 3], `${name}.w`), random([4], `${name}.b`)], conv(1), { name });
    const relu = builder.node("Relu", [layer(input, 3, "a")], {}, { name: "relu" });
    builder.output(layer(builder.node("Add", [relu, layer(relu, 4, "b")]), 4, "c"));
    deaden(model, "a", [2]);
    const before = cloneModel(model);
    const report = await removeDeadChannels({ shapes: await shapesOf(model), inputRange })(model, {});
    expect(report.removed).toEqual([]);
    // Row 2 of a, whose weights would set the range of the whole layer, and the column of b that reads it.
    expect(report.zeroed).toEqual([
      { layer: "a", opType: "Conv", inputs: [], outputs: [2] },
      { layer: "b", opType: "Conv", inputs: [2], outputs: [] },
    ]);
    expect(report.skipped).toEqual([
      { node: "relu", opType: "Relu", reason: 'constant channels 2 stay: "b_output" is coupled with it and varies' },
    ]);
    const [a, b] = linearLayers(model.graph);
    expect(a!.tensor.numbers().slice(54, 81)).toEqual(new Array(27).fill(0));
    expect(model.graph.initializers.get(a!.bias!)!.numbers()[2]).toBe(0);
    expect(b!.tensor.numbers().filter((_, at) => Math.floor(at / 9) % 4 === 2)).toEqual(new Array(36).fill(0));
    expect(await driftOf(before, model, 3)).toBeLessThan(1e-6);
  });

  it("removes what nothing reads", async () => {
    const model = mobile(3);
    const fc = linearLayers(model.graph).at(-1)!;
    const weight = Float32Array.from(fc.tensor.numbers(), (w, at) => (Math.floor(at / 16) === 3 ? 0 : w));
    model.graph.initializers.set(fc.weight, Tensor.float32(fc.tensor.dims, weight));
    const before = cloneModel(model);
    const report = await removeDeadChannels({ shapes: await shapesOf(model), inputRange })(model, {});
    expect(report.removed).toEqual([{ layer: "pointwise", opType: "Conv", channels: 5, kind: "unused", removed: [3] }]);
    expect(await driftOf(before, model, 4)).toBeLessThan(1e-5);
  });

  it("needs the input range for a proof, or data for an observation, which can be refused", async () => {
    const build = () => {
      const model = mobile(4);
      deaden(model, "conv1", [0, 4]);
      return model;
    };
    const shapes = await shapesOf(build());
    const kinds = async (options: object, model = build()) => {
      const report = await removeDeadChannels({ shapes, ...options })(model, {});
      // Random weights may silence channels of the third layer as well.
      const planted = report.removed.filter(({ layer }) => layer !== "pointwise");
      return planted.map(({ layer, kind, removed }) => [layer, kind, ...removed]);
    };
    expect(await kinds({})).toEqual([]);
    const observed = await statistics(build());
    const twice = (kind: string) => [
      ["conv1", kind, 0, 4],
      ["depthwise", kind, 0, 4],
    ];
    expect(await kinds({ stats: observed })).toEqual(twice("observed"));
    expect(await kinds({ stats: observed, observed: false })).toEqual([]);
    expect(await kinds({ stats: observed, inputRange })).toEqual(twice("proved"));
    const model = build();
    const before = cloneModel(model);
    await kinds({ stats: observed }, model);
    expect(await driftOf(before, model, 5)).toBeLessThan(1e-5);
  });

  it("says no to a channel that moved on the data, however little", async () => {
    const model = mobile(5);
    const stats = new Map(await statistics(model));
    const value = deadChannelValues(model, await shapesOf(model))[0]!;
    const { max } = stats.get(value)!;
    const top = Math.max(...Array.from(max));
    const with1 = (share: number) =>
      new Map([[value, { ...stats.get(value)!, min: [0, 0, 0, 0, 0, 0], max: [top, 1, 1, top * share, 1, 1] }]]);
    const removed = async (share: number) => {
      const report = await removeDeadChannels({ shapes: await shapesOf(model), stats: with1(share) })(
        cloneModel(model),
        {},
      );
      return report.removed.filter(({ layer }) => layer === "conv1").map((each) => each.removed);
    };
    expect(await removed(9e-7)).toEqual([[3]]);
    expect(await removed(2e-6)).toEqual([]);
  });

  it("keeps a multiple of channels, zeros in the place of dead ones", async () => {
    const model = mobile(6);
    deaden(model, "conv1", [0, 2, 4, 5]);
    const before = cloneModel(model);
    const options = { shapes: await shapesOf(model), inputRange, channelMultiple: 3 };
    const report = await removeDeadChannels(options)(model, {});
    expect(report.removed.slice(0, 2).map(({ layer, removed }) => [layer, removed])).toEqual([
      ["conv1", [0, 2, 4]],
      ["depthwise", [0, 2, 4]],
    ]);
    // Channel 5 was kept: it is the third of three now.
    expect(report.zeroed[0]).toEqual({ layer: "conv1", opType: "Conv", inputs: [], outputs: [5] });
    const [conv1] = linearLayers(model.graph);
    expect(conv1!.tensor.numbers().slice(54)).toEqual(new Array(27).fill(0));
    expect(report.skipped[0]!.reason).toBe('constant channels 5 stay: Conv "conv1" keeps a multiple of 3 channels');
    expect(await driftOf(before, model, 6)).toBeLessThan(1e-5);
  });

  it("refuses unknown options", () => {
    expect(() => removeDeadChannels({ shapes: new Map(), dead: true } as never)).toThrow('unknown option "dead"');
    expect(() => removeDeadChannels({ shapes: new Map(), channelMultiple: 1.5 })).toThrow(
      "invalid channelMultiple 1.5",
    );
  });
});

/** Ranges by channel of the values removeDeadChannels asks for, over one batch of random inputs. */
async function statistics(model: Model): Promise<ActivationStats> {
  const values = await valuesOf(model, 11, 8);
  const wanted = deadChannelValues(model, await shapesOf(model));
  return new Map(
    wanted.map((name) => {
      const { data, dims } = values[name]!;
      const channels = dims[1]!;
      const area = dims.slice(2).reduce((a, b) => a * b, 1);
      const min = new Array<number>(channels).fill(Number.POSITIVE_INFINITY);
      const max = new Array<number>(channels).fill(Number.NEGATIVE_INFINITY);
      (data as Float32Array).forEach((x, at) => {
        const channel = Math.floor(at / area) % channels;
        min[channel] = Math.min(min[channel]!, x);
        max[channel] = Math.max(max[channel]!, x);
      });
      return [name, { min, max, mean: [], meanSquare: [] }];
    }),
  );
}
