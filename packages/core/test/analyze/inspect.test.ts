import { describe, expect, test } from "vitest";
import {
  countParameters,
  createGraph,
  createNode,
  float,
  type InspectReport,
  inspectLayers,
  inspectModel,
  int,
  ints,
  type Model,
  observeShapes,
  serializeModel,
  Tensor,
  tensor,
  weightRanges,
  zeroFeeds,
} from "../../src/lab.js";
import { batchNorm, convReluConv, type TestModel, testModel } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";

const inspectRun = async (model: Model): Promise<InspectReport> =>
  inspectModel(model, { shapes: await observeShapes(model, zeroFeeds(model), { runner }) });

const findings = ({ findings }: InspectReport) =>
  Object.fromEntries(findings.map((finding) => [finding.kind, finding]));

/** A small MobileNet: Conv, BatchNormalization, Clip, depthwise Conv, pooling, Gemm, Softmax. */
function network(): TestModel {
  const test = testModel(1);
  const { builder } = test;
  const bound = [builder.constant(0, "zero"), builder.constant(6, "six")];
  const x = builder.input("x", ["N", 3, 8, 8]);
  const pads = { pads: ints([1, 1, 1, 1]) };
  const first = builder.node("Conv", [x, test.random([4, 3, 3, 3], "w1")], pads, { name: "first" });
  const relu6 = builder.node("Clip", [batchNorm(test, first, 4), ...bound], {}, { name: "relu6" });
  const depthwise = { ...pads, group: int(4) };
  const second = builder.node("Conv", [relu6, test.random([4, 1, 3, 3], "w2"), test.random([4], "b2")], depthwise, {
    name: "second",
  });
  const pooled = builder.node("Flatten", [builder.node("GlobalAveragePool", [second])]);
  const logits = builder.node("Gemm", [pooled, test.random([4, 5], "w3"), test.random([5], "b3")], {}, { name: "fc" });
  builder.output(builder.node("Softmax", [logits], {}, { name: "probs" }));
  return test;
}

describe("a small network", () => {
  test("parameters, operations and bytes, by hand", async () => {
    const report = await inspectRun(network().model);
    const parameters = 4 * 3 * 9 + 2 * 4 + 4 * 9 + 4 + 4 * 5 + 5;
    expect(report.parameters).toBe(parameters);
    expect(report.parametersWithStatistics).toBe(parameters + 2 * 4);
    expect(report.macs).toBe(8 * 8 * 4 * 27 + 8 * 8 * 4 * 9 + 4 * 5);
    // The bounds of Clip are stored too.
    expect(report.weightBytes).toBe(4 * (parameters + 8 + 2));
    expect(report.bytes).toBe(report.weightBytes);
    expect([report.opset, report.quantized]).toEqual([17, false]);
    expect(report.inputs).toEqual([{ name: "x", dtype: "float32", shape: ["N", 3, 8, 8] }]);
  });

  test("operators in one table, depthwise ones apart, most parameters first", async () => {
    const { operators } = await inspectRun(network().model);
    expect(
      operators.map(({ opType, count, parameters, quantizable }) => [opType, count, parameters, quantizable]),
    ).toEqual([
      ["Conv", 1, 108, "yes"],
      ["DepthwiseConv", 1, 40, "yes"],
      ["Gemm", 1, 25, "yes"],
      ["BatchNormalization", 1, 8, "folds"],
      ["Clip", 1, 0, "yes"],
      ["Flatten", 1, 0, "yes"],
      ["GlobalAveragePool", 1, 0, "yes"],
      ["Softmax", 1, 0, "no"],
    ]);
    expect(operators[1]).toMatchObject({ macs: 8 * 8 * 4 * 9, bytes: 160 });
  });

  test("nodes with their names, sizes and reasons", async () => {
    const { nodes } = await inspectRun(network().model);
    expect(nodes.find(({ name }) => name === "first")).toMatchObject({
      opType: "Conv",
      parameters: 108,
      bytes: 432,
      macs: 6912,
      outputShape: [1, 4, 8, 8],
      quantizable: "yes",
    });
    expect(nodes.at(-1)).toMatchObject({
      name: "probs",
      macs: 0,
      quantizable: "no",
      reason: expect.stringContaining("integer"),
    });
  });

  test("without a run, from the sizes the file declares, or not at all", async () => {
    const { model } = network();
    const blind = await inspectModel(model);
    expect(blind.macs).toBeNull();
    expect(findings(blind)).toHaveProperty("noSizes");
    const shapes = await observeShapes(model, zeroFeeds(model), { runner });
    for (const [name, { dims, dtype }] of shapes) {
      model.graph.valueInfos.set(name, { name, dtype, shape: ["N", ...dims.slice(1)] });
    }
    expect((await inspectModel(model)).macs).toBe((await inspectRun(model)).macs);
  });

  test("is left as it was", async () => {
    const { model } = network();
    const before = serializeModel(model);
    await inspectRun(model);
    expect(serializeModel(model)).toEqual(before);
  });
});

describe("findings", () => {
  test("of a sound network: what folds, what bounds", async () => {
    const found = findings(await inspectRun(network().model));
    expect(found).toMatchObject({
      batchNorms: { count: 1, message: "1 BatchNormalization foldable" },
      boundedRelu: { count: 1, message: "Clip(0,6) x1 bounds equalization", names: ["relu6"] },
    });
    expect(Object.keys(found).sort()).toEqual(["batchNorms", "boundedRelu"]);
  });

  test("bounds as attributes, of other values, and none", async () => {
    const { model, builder } = testModel(1, 10);
    const x = builder.input("x", [1]);
    const clip = (min: number, max: number) => builder.node("Clip", [x], { min: float(min), max: float(max) });
    for (const [min, max] of [
      [0, 6],
      [0, 6],
      [0, 1],
      [-1, 1],
      [0, 3.4e38],
    ] as const)
      builder.output(clip(min, max));
    builder.output(builder.node("Clip", [x]));
    const messages = (await inspectModel(model)).findings
      .filter(({ kind }) => kind === "boundedRelu")
      .map(({ message }) => message);
    expect(messages).toEqual(["Clip(0,6) x2 bounds equalization", "Clip(0,1) x1 bounds equalization"]);
  });

  test("NaN, old opset, already quantized, external data, open sizes, an invalid graph", async () => {
    const { model, builder } = testModel(1, 11);
    const x = builder.input("x", ["N", "H"]);
    builder.graph.initializers.set(
      "w",
      new Tensor("float32", [1, 1], new Uint8Array(new Float32Array([Number.NaN]).buffer), {
        location: "w.bin",
        offset: 0,
        length: 4,
      }),
    );
    builder.output(builder.node("DequantizeLinear", [builder.node("MatMul", [x, "w"]), "nowhere"]));
    const found = findings(await inspectModel(model));
    expect(found.nonFinite).toMatchObject({ names: ["w"], message: "NaN or Inf in 1 tensor (w)" });
    expect(found.oldOpset?.message).toBe("opset 11 will be raised to 17");
    expect(found.quantized?.count).toBe(1);
    expect(found.externalData?.message).toBe("weights of 1 tensor lie in w.bin");
    expect(found.openSizes?.names).toEqual(["x"]);
    expect(found.invalid?.message).toMatch(/reads value "nowhere"/);
  });
});

describe("ranges of the weights", () => {
  test("spread, dead and lost channels against a naive computation, batch-norm folded in", async () => {
    const test1 = testModel(4);
    const { builder, model } = test1;
    const scales = [1, 100, 0.01, 0];
    const w = Float32Array.from({ length: 4 * 2 }, (_, i) => (i % 2 === 0 ? 1 : -0.5));
    const conv = builder.node(
      "Conv",
      [builder.input("x", [1, 2, 2, 2]), builder.constant(Tensor.float32([4, 2, 1, 1], w), "w")],
      {},
      { name: "conv" },
    );
    const vector = (values: number[], name: string) => builder.constant(Tensor.float32([4], values), name);
    const parameters = [
      vector(scales, "scale"),
      vector([1, 1, 1, 1], "bias"),
      vector([0, 0, 0, 0], "mean"),
      vector([4, 4, 4, 4], "var"),
    ];
    builder.output(builder.node("BatchNormalization", [conv, ...parameters], { epsilon: float(0) }));
    const { layers, foldable } = await weightRanges(model);
    expect(foldable).toBe(1);
    const [layer] = layers;
    expect(layer!.channelMax).toEqual(scales.map((scale) => Math.fround(scale / 2)));
    expect([layer!.min, layer!.max]).toEqual([-25, 50]);
    expect(layer!.spread).toBeCloseTo(10_000, 0);
    // 0 is dead; 0.005 is below 50 / 254, 0.5 is not.
    expect([layer!.deadChannels, layer!.lostChannels]).toEqual([1, 2]);
    const report = findings(await inspectModel(model));
    expect(report.rangeSpread?.message).toBe("range spread up to 10000x between channels (conv)");
    expect(report.deadChannels).toMatchObject({
      count: 1,
      names: ["conv"],
      message: "1 channel without weights in 1 layer",
    });
  });

  test("half floats, transposed Gemm, and a layer of zeros", async () => {
    const { builder, model } = testModel(1);
    // 0x3c00 is 1, 0xc000 is −2.
    const half = builder.constant(Tensor.of("float16", [1, 2], new Uint16Array([0x3c00, 0xc000])), "h.weight");
    builder.output(builder.node("MatMul", [builder.input("h", [1, 1], "float16"), half], {}, { name: "half" }));
    const b = builder.constant(Tensor.float32([2, 3], [1, 2, 3, -8, 0, 0]), "b");
    builder.output(builder.node("Gemm", [builder.input("x", [1, 3]), b], { transB: int(1) }, { name: "gemm" }));
    const zeros = builder.constant(Tensor.float32([1, 2], [0, 0]), "zeros");
    builder.output(builder.node("MatMul", [builder.input("y", [1, 1]), zeros], {}, { name: "nothing" }));
    const { layers } = await weightRanges(model);
    expect(
      layers.map(({ name, channelMax, spread, deadChannels }) => [name, channelMax, spread, deadChannels]),
    ).toEqual([
      ["half", [1, 2], 2, 0],
      ["gemm", [3, 8], 8 / 3, 0],
      ["nothing", [0, 0], 1, 2],
    ]);
  });
});

describe("parameters", () => {
  test("shared weights once; constants of formulas, shapes and tables of indices never", () => {
    const { builder, model } = testModel(1);
    const x = builder.input("x", [1, 4]);
    const w = builder.constant(Tensor.float32([4, 4], new Float32Array(16)), "w");
    const half = builder.constant(0.5, "half");
    const shape = builder.constant(Tensor.int64([2], [1, 4]), "shape");
    const indices = builder.constant(Tensor.int64([3], [0, 1, 2]), "indices");
    const bias = builder.constant(Tensor.float32([4], [1, 2, 3, 4]), "bias");
    let value = builder.node("MatMul", [builder.node("MatMul", [x, w]), w]);
    value = builder.node("Add", [bias, value]);
    value = builder.node("Reshape", [builder.node("Mul", [value, half]), shape]);
    builder.output(builder.node("Gather", [value, indices], { axis: int(1) }));
    builder.output(builder.node("Gather", [indices, builder.node("Shape", [x])]), "int64");
    expect(countParameters(model)).toMatchObject({ parameters: 16 + 4, parametersWithStatistics: 20 });
  });

  test("in Constant nodes, behind Transpose and DequantizeLinear, in subgraphs", () => {
    const { builder, model } = testModel(1);
    const x = builder.input("x", [1, 4]);
    const stored = builder.node("Constant", [], { value: tensor(Tensor.float32([4, 4], new Float32Array(16))) });
    const integers = builder.constant(Tensor.of("int8", [4, 2], new Int8Array(8)), "integers");
    const weights = builder.node("DequantizeLinear", [integers, builder.constant(1, "scale")]);
    const first = builder.node("MatMul", [x, builder.node("Transpose", [stored])]);
    builder.output(builder.node("MatMul", [first, weights]));
    const inner = createGraph("inner");
    inner.initializers.set("deep", Tensor.float32([4], [1, 2, 3, 4]));
    inner.nodes.push(createNode({ opType: "PRelu", inputs: [x, "deep"], outputs: ["p"] }));
    inner.nodes.push(createNode({ opType: "MatMul", inputs: ["p", stored], outputs: ["q"] }));
    inner.outputs.push({ name: "q" });
    const attributes = { body: { type: "graph", value: inner } as const };
    model.graph.nodes.push(createNode({ opType: "Loop", name: "loop", inputs: [], outputs: ["l"], attributes }));
    const { parameters, byNode } = countParameters(model);
    expect(parameters).toBe(16 + 8 + 4);
    expect([...byNode.values()].map(({ bytes }) => bytes)).toEqual([64, 8, 16]);
  });
});

test("one layer in detail", async () => {
  const { model } = network();
  const shapes = await observeShapes(model, zeroFeeds(model), { runner });
  const [detail] = inspectLayers(model, new Set(["second"]), shapes);
  expect(detail).toEqual({
    name: "second",
    opType: "Conv",
    domain: "",
    attributes: { pads: [1, 1, 1, 1], group: 4 },
    inputs: [
      { name: "relu6_output", dtype: "float32", dims: [1, 4, 8, 8], constant: false },
      { name: "w2", dtype: "float32", dims: [4, 1, 3, 3], constant: true },
      { name: "b2", dtype: "float32", dims: [4], constant: true },
    ],
    outputs: [{ name: "second_output", dtype: "float32", dims: [1, 4, 8, 8], constant: false }],
  });
  expect(inspectLayers(convReluConv(), new Set(["nobody"]))).toEqual([]);
});
