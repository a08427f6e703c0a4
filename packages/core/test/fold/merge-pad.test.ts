import { describe, expect, test } from "vitest";
import { type TestModel, testModel } from "../helpers/build.js";
import { type Attribute, attributeOf, int, ints, type Model, string, Tensor } from "./core.js";
import { countsOf, expectFolded, expectRefused, foldCopy, opTypes } from "./helpers.js";

interface PadOptions {
  readonly amounts?: number[];
  readonly value?: number;
  readonly axes?: number[];
  readonly attributes?: Record<string, Attribute>;
  readonly opset?: number;
}

/** input [N, 3, 6, 6] → Pad → what is built → output. */
function padded(build: (t: TestModel, padded: string) => string, options: PadOptions = {}): Model {
  const t = testModel(41, options.opset ?? 17);
  const x = t.builder.input("x", ["N", 3, 6, 6]);
  const list = (values: number[]) => t.builder.constant(Tensor.int64([values.length], values));
  const inputs = [x, list(options.amounts ?? [0, 0, 1, 2, 0, 0, 0, 1])];
  if (options.value !== undefined || options.axes)
    inputs.push(options.value === undefined ? "" : t.builder.constant(options.value));
  if (options.axes) inputs.push(list(options.axes));
  t.builder.output(build(t, t.builder.node("Pad", inputs, options.attributes ?? {}, { name: "pad" })));
  return t.model;
}

const conv = (t: TestModel, x: string, attributes: Record<string, Attribute> = {}) =>
  t.builder.node("Conv", [x, t.random([2, 3, 3, 3])], attributes);
const average = (t: TestModel, x: string, attributes: Record<string, Attribute> = {}) =>
  t.builder.node("AveragePool", [x], { kernel_shape: ints([3, 3]), count_include_pad: int(1), ...attributes });

describe("merged", () => {
  test.each<[string, Model, number[]]>([
    ["Conv", padded((t, x) => conv(t, x)), [1, 2, 0, 1]],
    [
      "Conv with its own padding, stride and dilation",
      padded((t, x) => conv(t, x, { pads: ints([1, 0, 0, 2]), strides: ints([2, 1]), dilations: ints([1, 2]) })),
      [2, 2, 0, 3],
    ],
    ["Conv, auto_pad VALID", padded((t, x) => conv(t, x, { auto_pad: string("VALID") }), { value: 0 }), [1, 2, 0, 1]],
    ["AveragePool that counts padding", padded((t, x) => average(t, x)), [1, 2, 0, 1]],
    [
      "amounts for some axes (opset 18)",
      padded((t, x) => conv(t, x), { opset: 18, amounts: [2, 1, 0, 3], axes: [-1, 2] }),
      [1, 2, 3, 0],
    ],
  ])("%s", async (_, model, expected) => {
    const { model: folded, report } = await expectFolded(model, {}, {});
    expect(folded.graph.nodes).toHaveLength(1);
    expect(attributeOf(folded.graph.nodes[0]!, "pads", "ints", [])).toEqual(expected);
    expect(attributeOf(folded.graph.nodes[0]!, "auto_pad", "string", "NOTSET")).toBe("NOTSET");
    expect(report.counts).toEqual(countsOf({ pads: 1 }));
  });

  test("attributes of opset 7, several readers, 1-D", async () => {
    const t = testModel(1, 7);
    const pad = t.builder.node("Pad", [t.builder.input("x", ["N", 3, 8])], { pads: ints([0, 0, 1, 0, 0, 2]) });
    t.builder.output(t.builder.node("Conv", [pad, t.random([2, 3, 3])]));
    t.builder.output(t.builder.node("Conv", [pad, t.random([4, 3, 2])]));
    const { model } = await expectFolded(t.model);
    expect(opTypes(model)).toEqual(["Conv", "Conv"]);
  });

  test("a BatchNormalization in front of the Pad then sees the padded Conv and is refused", async () => {
    const model = padded((t, x) => conv(t, x));
    const t = testModel(2);
    model.graph.initializers.set("s", t.model.graph.initializers.get(t.positive([3]))!);
    model.graph.nodes.unshift({
      name: "bn",
      opType: "BatchNormalization",
      domain: "",
      inputs: ["x", "s", "s", "s", "s"],
      outputs: ["normal"],
      attributes: new Map(),
    });
    model.graph.nodes[1]!.inputs[0] = "normal";
    const { report } = await foldCopy(model);
    expect(report.counts).toEqual(countsOf({ pads: 1 }));
    expect(report.skipped.map(({ node, reason }) => [node, reason])).toEqual([
      ["bn", expect.stringMatching(/pads with zeros/)],
    ]);
  });
});

describe("refused", () => {
  test.each<[string, Model, RegExp]>([
    ["reflect", padded((t, x) => conv(t, x), { attributes: { mode: string("reflect") } }), /its mode is reflect/],
    ["another value", padded((t, x) => conv(t, x), { value: 1.5 }), /its value is 1.5, expected 0/],
    ["cropping", padded((t, x) => conv(t, x), { amounts: [0, 0, -1, 0, 0, 0, 0, 2] }), /it crops/],
    [
      "channels",
      padded((t, x) => t.builder.node("Conv", [x, t.random([2, 5, 3, 3])]), { amounts: [0, 1, 0, 0, 0, 1, 0, 0] }),
      /batch or the channels/,
    ],
    ["auto_pad SAME", padded((t, x) => conv(t, x, { auto_pad: string("SAME_UPPER") })), /Conv has auto_pad SAME_UPPER/],
    [
      "AveragePool that does not count",
      padded((t, x) => average(t, x, { count_include_pad: int(0) })),
      /does not count padding/,
    ],
    [
      "AveragePool with ceil_mode",
      padded((t, x) => average(t, x, { ceil_mode: int(1), strides: ints([2, 2]) })),
      /ceil_mode/,
    ],
    [
      "AveragePool, padding as large as its window",
      padded((t, x) => average(t, x), { amounts: [0, 0, 3, 0, 0, 0, 0, 0] }),
      /as large as the window/,
    ],
    [
      "another reader",
      padded((t, x) =>
        t.builder.node("Add", [conv(t, x, { pads: ints([1, 1, 1, 1]) }), t.builder.node("ReduceMax", [x])]),
      ),
      /also read by ReduceMax/,
    ],
  ])("%s", async (_, model, reason) => {
    await expectRefused(model, "pad", reason);
  });

  test("computed amounts, computed value, unknown axes, graph output", async () => {
    const amounts = padded((t, x) => conv(t, x));
    const pad = amounts.graph.nodes[0]!;
    amounts.graph.inputs.push({ name: "amounts", dtype: "int64", shape: [8] });
    pad.inputs[1] = "amounts";
    await expectRefused(amounts, "pad", /its amounts are computed/);

    const value = padded((t, x) => conv(t, x), { value: 0 });
    value.graph.inputs.push({ name: "value", dtype: "float32", shape: [] });
    value.graph.nodes[0]!.inputs[2] = "value";
    await expectRefused(value, "pad", /its value is computed/);

    const axes = padded((t, x) => conv(t, x), { opset: 18, amounts: [1, 1], axes: [2] });
    axes.graph.inputs.push({ name: "axes", dtype: "int64", shape: [1] });
    axes.graph.nodes[0]!.inputs[3] = "axes";
    await expectRefused(axes, "pad", /its axes are not known/);

    const output = padded((t, x) => conv(t, x));
    output.graph.outputs.push({ name: "pad_output", dtype: "float32", shape: undefined });
    await expectRefused(output, "pad", /is a graph output/);
  });

  test("MaxPool pads with −∞ and is not considered", async () => {
    const model = padded((t, x) => t.builder.node("MaxPool", [x], { kernel_shape: ints([2, 2]) }));
    expect((await foldCopy(model)).report).toMatchObject({ modified: false, skipped: [] });
  });
});
