import { describe, expect, it } from "vitest";
import { channelFlow } from "../../src/channels/index.js";
import {
  cloneModel,
  int,
  ints,
  linearLayers,
  type Model,
  OptionsError,
  removalGroups,
  type ShrinkReport,
  shrink,
  Tensor,
} from "../../src/lab.js";
import { type TestModel, testModel } from "../helpers/build.js";
import { driftOf, outputsOf, shapesOf } from "./helpers.js";

/** Sets the weights and bias of some output channels of a layer to 0: what they make is 0 then, until something is added. */
function zero(model: Model, name: string, channels: readonly number[]): void {
  const { weight, bias, tensor } = linearLayers(model.graph).find(({ node }) => node.name === name)!;
  const values = Float32Array.from(tensor.numbers());
  const row = values.length / tensor.dims[0]!;
  for (const channel of channels) values.fill(0, channel * row, (channel + 1) * row);
  model.graph.initializers.set(weight, Tensor.float32(tensor.dims, values));
  if (bias === undefined) return;
  const biases = Float32Array.from(model.graph.initializers.get(bias)!.numbers());
  for (const channel of channels) biases[channel] = 0;
  model.graph.initializers.set(bias, Tensor.float32([biases.length], biases));
}

class Net {
  readonly test: TestModel = testModel(3);
  readonly builder = this.test.builder;
  readonly model = this.test.model;
  readonly input = this.builder.input("input", ["N", 4, 5, 5]);

  conv(data: string, inputs: number, outputs: number, name: string, group = 1): string {
    const dims = [outputs, inputs / group, 3, 3];
    const constants = [this.test.random(dims, `${name}.w`, 0.3), this.test.random([outputs], `${name}.b`)];
    const attributes = { pads: ints([1, 1, 1, 1]), group: int(group) };
    return this.builder.node("Conv", [data, ...constants], attributes, { name });
  }

  /** Ends in a convolution, so that no channel of `data` is an output. */
  finish(data: string, channels: number): Model {
    this.builder.output(this.conv(data, channels, 2, "last"), "float32", ["N", 2, 5, 5]);
    return this.model;
  }
}

async function shrunk(
  model: Model,
  remove: Record<string, readonly number[]>,
  channelMultiple?: number,
): Promise<ShrinkReport> {
  const before = cloneModel(model);
  const report = await shrink({ remove, shapes: await shapesOf(model), channelMultiple })(model, {});
  expect(await driftOf(before, model, 5)).toBeLessThan(1e-5);
  for (const [value, { dims }] of await shapesOf(model)) {
    expect([value, report.shapes.get(value)?.dims]).toEqual([value, dims]);
  }
  return report;
}

const weights = (model: Model) =>
  Object.fromEntries(linearLayers(model.graph).map(({ node, tensor }) => [node.name, tensor.dims]));

describe("shrink", () => {
  it("removes channels of a convolution and of its reader, whichever end is named", async () => {
    for (const name of ["a", "a_output", "relu_output"]) {
      const net = new Net();
      const a = net.conv(net.input, 4, 6, "a");
      const model = net.finish(net.builder.node("Relu", [a], {}, { name: "relu" }), 6);
      zero(model, "a", [1, 5]);
      const report = await shrunk(model, { [name]: [1, 5] });
      expect(report.layers).toEqual([{ layer: "a", opType: "Conv", channels: 6, removed: [1, 5] }]);
      expect(report.skipped).toEqual([]);
      expect(weights(model)).toEqual({ a: [4, 4, 3, 3], last: [2, 4, 3, 3] });
    }
  });

  it("keeps the weights of the channels that stay, bit by bit", async () => {
    const net = new Net();
    const model = net.finish(net.conv(net.input, 4, 6, "a"), 6);
    zero(model, "a", [0, 2]);
    const before = model.graph.initializers.get("a.w")!.numbers();
    const reader = model.graph.initializers.get("last.w")!.numbers();
    await shrunk(model, { a: [0, 2] });
    const kept = [1, 3, 4, 5];
    expect(model.graph.initializers.get("a.w")!.numbers()).toEqual(
      kept.flatMap((o) => before.slice(o * 36, o * 36 + 36)),
    );
    const columns = [0, 1].flatMap((o) => kept.flatMap((c) => reader.slice((o * 6 + c) * 9, (o * 6 + c + 1) * 9)));
    expect(model.graph.initializers.get("last.w")!.numbers()).toEqual(columns);
  });

  it("asks both sides of an Add", async () => {
    const net = new Net();
    const [a, b] = ["a", "b"].map((name) => net.conv(net.input, 4, 6, name));
    const model = net.finish(net.builder.node("Add", [a!, b!]), 6);
    zero(model, "a", [2, 3]);
    zero(model, "b", [3]);
    const report = await shrunk(model, { a: [2, 3], b: [3] });
    expect(report.layers.map(({ layer, removed }) => [layer, removed])).toEqual([
      ["a", [3]],
      ["b", [3]],
    ]);
    expect(report.skipped).toEqual([
      { node: "a", opType: "Conv", reason: 'channels 2: channel 2 of "b_output" is coupled with it and stays' },
    ]);
  });

  it("cuts operators with channel constants, sizes and parts", async () => {
    const net = new Net();
    const { builder, test } = net;
    const list = (values: number[]) => builder.constant(Tensor.int64([values.length], values));
    let value = net.conv(net.input, 4, 6, "a");
    value = builder.node("PRelu", [value, test.positive([6, 1, 1])]);
    value = builder.node("Mul", [value, test.positive([1, 6, 1, 1])]);
    value = builder.node("Transpose", [value], { perm: ints([0, 2, 3, 1]) });
    value = builder.node("Mul", [test.positive([6]), value]);
    value = builder.node("Transpose", [value], { perm: ints([0, 3, 1, 2]) });
    value = builder.node("Resize", [value, "", "", list([1, 6, 10, 10])], {
      mode: { type: "string", value: "nearest" },
    });
    value = builder.node("MaxPool", [value], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) });
    value = builder.node("Gather", [value, list([5, 4, 3, 2, 1, 0])], { axis: int(1) });
    const [one, two] = builder.nodes("Split", [value, list([2, 4])], { axis: int(1) }, { outputs: 2 }).outputs;
    const part = builder.node("Slice", [two!, list([-3]), list([2 ** 31]), list([1])]);
    const joined = builder.node("Concat", [part, one!], { axis: int(1) });
    const flat = builder.node("Reshape", [joined, list([1, 125])]);
    builder.output(builder.node("MatMul", [flat, test.random([125, 3])]), "float32", [1, 3]);
    const { model } = net;
    model.graph.inputs[0] = { ...model.graph.inputs[0]!, shape: [1, 4, 5, 5] };
    // Reversed by Gather: 4 leads into the first part of Split, 1 into Slice, 3 into what Slice leaves out.
    zero(model, "a", [4, 1, 3]);
    const report = await shrunk(model, { a: [4, 1, 3] });
    expect(report.skipped.map(({ reason }) => reason)).toEqual([]);
    expect(weights(model)).toEqual({ a: [3, 4, 3, 3], MatMul: [75, 3] });
  });

  it("takes whole groups, or as many channels from each", async () => {
    const grouped = (dead: number[]) => {
      const net = new Net();
      const a = net.conv(net.input, 4, 6, "a");
      const model = net.finish(net.conv(a, 6, 6, "b", 2), 6);
      zero(model, "a", dead);
      return model;
    };
    const even = grouped([0, 4]);
    expect((await shrunk(even, { a: [0, 4] })).layers[0]!.removed).toEqual([0, 4]);
    expect(weights(even)).toEqual({ a: [4, 4, 3, 3], b: [6, 2, 3, 3], last: [2, 6, 3, 3] });

    const uneven = grouped([0, 1, 4]);
    const report = await shrunk(uneven, { a: [0, 1, 4] });
    expect(report.layers[0]!.removed).toEqual([0, 4]);
    expect(report.skipped[0]!.reason).toBe('channels 1: the groups of Conv "b" must stay of equal size');

    const whole = grouped([0, 1, 2]);
    zero(whole, "b", [0, 1, 2]);
    await shrunk(whole, { a: [0, 1, 2], b: [0, 1, 2] });
    const { node } = linearLayers(whole.graph).find(({ node: each }) => each.name === "b")!;
    expect(node.attributes.get("group")).toEqual(int(1));
    expect(weights(whole)).toEqual({ a: [3, 4, 3, 3], b: [3, 3, 3, 3], last: [2, 3, 3, 3] });
  });

  it("wants both sides of a depthwise convolution", async () => {
    const build = () => {
      const net = new Net();
      const model = net.finish(net.conv(net.conv(net.input, 4, 6, "a"), 6, 6, "b", 6), 6);
      zero(model, "a", [2]);
      zero(model, "b", [2]);
      return model;
    };
    const refused = await shrunk(build(), { a: [2] });
    expect(refused.modified).toBe(false);
    expect(refused.skipped[0]!.reason).toBe('channels 2: channel 2 of "b_output" is coupled with it and stays');
    const model = build();
    await shrunk(model, { a: [2], b: [2] });
    expect(weights(model)).toEqual({ a: [5, 4, 3, 3], b: [5, 1, 3, 3], last: [2, 5, 3, 3] });
    expect(linearLayers(model.graph)[1]!.group).toBe(5);
  });

  it("keeps a multiple of channels where there was one", async () => {
    const net = new Net();
    const model = net.finish(net.conv(net.input, 4, 8, "a"), 8);
    zero(model, "a", [0, 1, 2, 3, 4]);
    const report = await shrunk(model, { a: [0, 1, 2, 3, 4] }, 4);
    expect(report.layers[0]!.removed).toEqual([0, 1, 2, 3]);
    expect(report.skipped[0]!.reason).toBe('channels 4: Conv "a" keeps a multiple of 4 channels');
  });

  it("gives the readers of a shared weight one weight each", async () => {
    const net = new Net();
    const a = net.conv(net.input, 4, 4, "a");
    const model = net.finish(net.builder.node("Add", [a, net.conv(net.input, 4, 4, "b")]), 4);
    linearLayers(model.graph).find(({ node }) => node.name === "b")!.node.inputs[1] = "a.w";
    model.graph.initializers.delete("b.w");
    const between = net.builder.node("Conv", [net.input, "a.w"], { pads: ints([1, 1, 1, 1]) }, { name: "whole" });
    model.graph.nodes.unshift(model.graph.nodes.pop()!);
    model.graph.outputs.push({ name: between, dtype: "float32", shape: ["N", 4, 5, 5] });
    const before = await outputsOf(model, 1);
    zero(model, "a", []);
    const report = await shrink({ remove: { a: [1], b: [1] }, shapes: await shapesOf(model) })(model, {});
    expect(report.layers.map(({ layer }) => layer)).toEqual(["a", "b"]);
    expect(weights(model)).toMatchObject({ whole: [4, 4, 3, 3], a: [3, 4, 3, 3], b: [3, 4, 3, 3] });
    expect((await outputsOf(model, 1))[between]).toEqual(before[between]);
    // Cut alike, the two still share.
    const [one, two] = ["a", "b"].map(
      (name) => linearLayers(model.graph).find(({ node }) => node.name === name)!.weight,
    );
    expect(one).toBe(two);
  });

  it("says why channels must stay", async () => {
    const reasonOf = async (build: (net: Net, a: string) => string, channels = [1]) => {
      const net = new Net();
      const model = net.finish(build(net, net.conv(net.input, 4, 6, "a")), 6);
      const report = await shrink({ remove: { a: channels }, shapes: await shapesOf(model) })(model, {});
      expect(report.modified).toBe(channels.length > 1);
      return report.skipped[0]!.reason;
    };
    const node =
      (opType: string, attributes = {}) =>
      (net: Net, a: string) =>
        net.builder.node(opType, [a], attributes, { name: opType.toLowerCase() });
    expect(await reasonOf(node("Softmax", { axis: int(1) }))).toBe(
      'channels 1: Softmax "softmax": channels are not followed through Softmax',
    );
    expect(await reasonOf(node("Relu"), [0, 1, 2, 3, 4, 5])).toBe('channels 0: it is the last channel of "a_output"');
    const list = (net: Net, ...values: number[]) => net.builder.constant(Tensor.int64([values.length], values));
    const reversed = (net: Net, a: string) =>
      net.builder.node("Slice", [a, list(net, -1), list(net, -7), list(net, 1), list(net, -1)], {}, { name: "flip" });
    expect(await reasonOf(reversed)).toBe('channels 1: Slice "flip": it takes every channel by step -1');
    const computed = (net: Net, a: string) => {
      const shape = net.builder.node("Shape", [net.input]);
      const sizes = net.builder.node(
        "Concat",
        [net.builder.node("Gather", [shape, list(net, 0)]), list(net, 6, 5, 5)],
        { axis: int(0) },
      );
      return net.builder.node("Reshape", [a, sizes], {}, { name: "same" });
    };
    expect(await reasonOf(computed)).toBe('channels 1: Reshape "same": its target shape is computed, not constant');
    const counted = (net: Net, a: string) => {
      const size = net.builder.node("Shape", [a], {}, { name: "shape" });
      const count = net.builder.node("Cast", [net.builder.node("Gather", [size, list(net, 1)])], { to: int(1) });
      return net.builder.node("Div", [a, count]);
    };
    expect(await reasonOf(counted)).toBe('channels 1: Shape "shape" reads its number of channels');
    const batched = (net: Net, a: string) => {
      const size = net.builder.node("Shape", [a], {}, { name: "shape" });
      const count = net.builder.node("Cast", [net.builder.node("Gather", [size, list(net, 0)])], { to: int(1) });
      return net.builder.node("Softmax", [net.builder.node("Div", [a, count])], { axis: int(1) }, { name: "softmax" });
    };
    expect(await reasonOf(batched)).not.toMatch(/Shape/);
    const output = new Net();
    output.finish(output.input, 4);
    const shapes = await shapesOf(output.model);
    const report = await shrink({ remove: { last: [0], input: [2] }, shapes })(output.model, {});
    expect(report.skipped).toEqual([
      { node: "last", opType: "Conv", reason: 'channels 0: "last_output" is an output of the model' },
      { node: "input", opType: "Input", reason: 'channels 2: "input" is an input of the model' },
    ]);
  });

  it("refuses names, channels and options that do not exist", async () => {
    const net = new Net();
    const model = net.finish(net.conv(net.input, 4, 6, "a"), 6);
    const shapes = await shapesOf(model);
    const run = (options: Parameters<typeof shrink>[0]) => () => shrink(options)(model, {});
    expect(run({ remove: { nobody: [1] }, shapes })).toThrow('shrink: "nobody" is neither a layer nor a value');
    expect(run({ remove: { a: [6] }, shapes })).toThrow('shrink: "a" has no channel 6, expected 0–5');
    expect(run({ remove: {}, shapes, channelMultiple: 0 })).toThrow("shrink: invalid channelMultiple 0");
    expect(run({ remove: {}, shapes, keep: 1 } as never)).toThrow(OptionsError);
  });
});

it("groups channels that can only go together", async () => {
  const net = new Net();
  const a = net.conv(net.input, 4, 6, "a");
  const gate = net.builder.node("Sigmoid", [net.builder.node("GlobalAveragePool", [a])]);
  const scaled = net.builder.node("Mul", [a, gate]);
  const model = net.finish(net.conv(scaled, 6, 6, "b", 6), 6);
  const shapes = await shapesOf(model);
  const groups = removalGroups(channelFlow(model.graph, shapes), shapes, 17);
  const group = groups.ofValue.get("a_output")![4]!;
  expect(groups.members[group]!.map(({ value, channel }) => [value, channel])).toEqual(
    [a, "GlobalAveragePool_output", gate, scaled, "b_output"].map((value) => [value, 4]),
  );
  expect(groups.fixed[group]).toBeUndefined();
});
