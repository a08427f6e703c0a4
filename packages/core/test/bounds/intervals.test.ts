import { describe, expect, it } from "vitest";
import { channelFlow, channelIntervals, type InputRange, int, ints, Tensor } from "../../src/lab.js";
import { type TestModel, testModel } from "../helpers/build.js";
import { shapesOf } from "../shrink/helpers.js";

/** Bounds of the value `build` makes of an input [N, channels, 4, 4]. */
async function bounds(
  build: (test: TestModel, input: string) => string,
  inputRange?: InputRange,
  channels = 2,
): Promise<[number, number][]> {
  const test = testModel(1);
  const output = build(test, test.builder.input("input", ["N", channels, 4, 4]));
  test.builder.output(output);
  const shapes = await shapesOf(test.model);
  const { low, high } = channelIntervals(channelFlow(test.model.graph, shapes), shapes, { inputRange }).get(output)!;
  return Array.from(low, (least, channel) => [least, high[channel]!]);
}

const one = { min: -1, max: 1 };
const floats = (test: TestModel, dims: number[], values: number[]) =>
  test.builder.constant(Tensor.float32(dims, values));
const unary =
  (opType: string, attributes = {}) =>
  (test: TestModel, input: string) =>
    test.builder.node(opType, [input], attributes);

const conv =
  (weights: number[], bias: number[], attributes = {}) =>
  (test: TestModel, input: string) =>
    test.builder.node(
      "Conv",
      [
        input,
        floats(test, [bias.length, weights.length / bias.length, 1, 1], weights),
        floats(test, [bias.length], bias),
      ],
      attributes,
    );

function expectBounds(actual: [number, number][], expected: [number, number][]): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach(([low, high], channel) => {
    expect(low).toBeCloseTo(expected[channel]![0], 4);
    expect(high).toBeCloseTo(expected[channel]![1], 4);
  });
}

describe("intervals by hand", () => {
  it("a layer: b + Σ w⁺·low + w⁻·high, by channel", async () => {
    expectBounds(await bounds(conv([2, -3, 0, 0], [1, 7]), one), [
      [-4, 6],
      [7, 7],
    ]);
    const range = { min: [0, 10], max: [1, 20] };
    expectBounds(await bounds(conv([2, -3], [0]), range), [[-60, -28]]);
  });

  it("a layer without weights is exactly its bias, whatever the input", async () => {
    expect(await bounds(conv([0, 0, 1, 0], [0.3, 0]))).toEqual([
      [Math.fround(0.3), Math.fround(0.3)],
      [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    ]);
  });

  it("padding lets zeros in, unless the input is 0 anyway", async () => {
    const pads = { pads: ints([1, 1, 1, 1]) };
    expectBounds(await bounds(conv([2, 1], [0], pads), { min: 3, max: 4 }), [[0, 12]]);
    expect(await bounds(conv([2, 1], [5], pads), { min: 0, max: 0 })).toEqual([[5, 5]]);
    expect(await bounds(conv([2, 1], [5], pads), { min: 1, max: 1 })).not.toEqual([[8, 8]]);
    expect(await bounds(conv([2, 1], [5]), { min: 1, max: 1 })).toEqual([[8, 8]]);
  });

  it("knows one-sided bounds: Relu of what is never positive is 0", async () => {
    const build = (test: TestModel, input: string) =>
      unary("Relu")(test, conv([-1, -2, 1, 0], [-1, 0])(test, unary("Relu")(test, input)));
    expect(await bounds(build)).toEqual([
      [0, 0],
      [0, Number.POSITIVE_INFINITY],
    ]);
  });

  it.each([
    ["Relu", {}, -2, 3, [0, 3]],
    ["LeakyRelu", { alpha: { type: "float", value: 0.5 } }, -2, 3, [-1, 3]],
    ["LeakyRelu", { alpha: { type: "float", value: -1 } }, -2, 1, [0, 2]],
    ["Sigmoid", {}, 0, 1, [0.5, 0.731059]],
    ["Tanh", {}, -1, 0, [-0.761594, 0]],
    ["HardSwish", {}, -5, 1, [-0.375, 0.666667]],
    ["HardSwish", {}, 1, 2, [0.666667, 1.666667]],
    ["Abs", {}, -3, 2, [0, 3]],
    ["Neg", {}, -3, 2, [-2, 3]],
    ["GlobalAveragePool", {}, -3, 2, [-3, 2]],
    ["AveragePool", { kernel_shape: ints([2, 2]), pads: ints([1, 1, 1, 1]) }, 2, 3, [2, 3]],
    ["AveragePool", { kernel_shape: ints([2, 2]), pads: ints([1, 1, 1, 1]), count_include_pad: int(1) }, 2, 3, [0, 3]],
    ["Softmax", {}, -1, 1, [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]],
  ] as const)("%s %j of [%d, %d]", async (opType, attributes, min, max, expected) => {
    const [first] = await bounds(unary(opType, attributes), { min, max });
    if (Number.isFinite(expected[0])) expectBounds([first!], [[...expected]]);
    else expect(first).toEqual(expected);
  });

  it("Mul by a zero is 0 even of the unknown, Div by what may be 0 is anything", async () => {
    const by = (opType: string, values: number[]) => (test: TestModel, input: string) =>
      test.builder.node(opType, [input, floats(test, [2, 1, 1], values)]);
    expect(await bounds(by("Mul", [0, 2]))).toEqual([
      [0, 0],
      [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    ]);
    expectBounds(await bounds(by("Mul", [-3, 2]), { min: -1, max: 4 }), [
      [-12, 3],
      [-2, 8],
    ]);
    expectBounds(await bounds(by("Div", [-2, 4]), { min: -1, max: 4 }), [
      [-2, 0.5],
      [-0.25, 1],
    ]);
    const divided = (test: TestModel, input: string) =>
      test.builder.node("Div", [input, test.builder.node("Sigmoid", [test.builder.node("Neg", [input])])]);
    expect((await bounds(divided, one))[0]![1]).toBeGreaterThanOrEqual(1 + Math.E);
    const crossing = (test: TestModel, input: string) => test.builder.node("Div", [floats(test, [1], [1]), input]);
    expect((await bounds(crossing, one))[0]).toEqual([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]);
  });
});
