import { describe, expect, test } from "vitest";
import { calibrate } from "../../src/calibrate/index.js";
import {
  assertValid,
  cloneModel,
  createNode,
  GraphBuilder,
  ints,
  type Model,
  parseModel,
  serializeModel,
  Tensor,
} from "../../src/graph/index.js";
import { optimizedModel } from "../../src/node/optimized-model.js";
import {
  planQuantization,
  type QuantizeOptions,
  quantizationRequests,
  quantize,
  resolveQuantizeOptions,
  TARGET_NAMES,
} from "../../src/quantize/index.js";
import { convReluConv, testModel } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";
import { compareForms } from "../helpers/same-values.js";
import { dataset, feedOf, MORE_NETWORKS, outputsOf, quantizeCopy, sqnrDb } from "./networks.js";

const context = { runner };
const names = Object.keys(MORE_NETWORKS);

/** Least SQNR of the outputs, in dB: random networks of three layers, so far below what real ones reach. */
const VARIANTS: Record<string, { options: QuantizeOptions; leastDb: number }> = {
  ...Object.fromEntries(
    TARGET_NAMES.map((target) => [target, { options: { target }, leastDb: target === "fpga" ? 15 : 20 }]),
  ),
  "per channel": { options: { granularity: "per-channel" }, leastDb: 22 },
  "asymmetric weights": { options: { weights: "uint8" }, leastDb: 22 },
  "unsigned storage": { options: { weightStorage: "uint8" }, leastDb: 22 },
  "int8 activations": { options: { activations: "int8" }, leastDb: 22 },
  "int16 activations, 16-bit weights": { options: { activations: "int16", weightBits: 16 }, leastDb: 60 },
  "uint16 activations, asymmetric 12-bit weights": {
    options: { activations: "uint16", weightBits: 12, weights: "uint8" },
    leastDb: 45,
  },
  choosers: { options: { calibrator: "mse", weightCalibrator: "percentile:99.9" }, leastDb: 15 },
  "4 bits": { options: { weightBits: 4, activationBits: 6, granularity: "per-channel" }, leastDb: 5 },
};

/** Every network with the two common variants, every variant with the networks that differ most. */
const CASES = Object.keys(VARIANTS).flatMap((variant) => {
  const chosen = ["ort-cpu", "per channel"].includes(variant) ? names : ["constants", "movers", "transposed"];
  return chosen.map((name) => [name, variant] as const);
});

test.each(CASES)("%s, %s: ONNX Runtime runs it, and the emulation agrees bit for bit", async (name, variant) => {
  const { options, leastDb } = VARIANTS[variant]!;
  const float = MORE_NETWORKS[name]!();
  const { model, calibration, report } = await quantizeCopy(float, options);
  expect(report.modified).toBe(true);
  assertValid(model);
  expect(serializeModel(parseModel(serializeModel(model)))).toEqual(serializeModel(model));
  expect(model.graph.outputs.map((output) => output.name)).toEqual(float.graph.outputs.map((output) => output.name));
  const literal = await outputsOf(model, { optimization: "disabled" });
  expect(sqnrDb(await outputsOf(float), literal)).toBeGreaterThan(leastDb);
  const rows = await compareForms(
    runner,
    float,
    (copy) => planQuantization(copy, calibration, options),
    await feedOf(),
  );
  expect(rows.filter(({ identical, elements }) => identical !== elements)).toEqual([]);
});

test("the real kernels give nearly the same: what ort-cpu promises runs on integers", async () => {
  for (const name of names) {
    const { model } = await quantizeCopy(MORE_NETWORKS[name]!());
    const [literal, real] = [await outputsOf(model, { optimization: "disabled" }), await outputsOf(model)];
    expect(sqnrDb(literal, real), name).toBeGreaterThan(25);
  }
});

test("repeated runs give the same bytes, from a stored calibration too", async () => {
  const float = MORE_NETWORKS.movers!();
  const first = await quantizeCopy(float, { calibrator: "entropy", granularity: "per-channel" });
  const second = await quantizeCopy(MORE_NETWORKS.movers!(), { calibrator: "entropy", granularity: "per-channel" });
  expect(serializeModel(second.model)).toEqual(serializeModel(first.model));
  expect(second.calibration.serialize()).toBe(first.calibration.serialize());
});

describe("kernels", () => {
  const optypes = async (name: string, options: QuantizeOptions = {}) => {
    const { model } = await quantizeCopy(MORE_NETWORKS[name]!(), options);
    return (await optimizedModel(runner, model)).graph.nodes.map(({ opType }) => opType);
  };

  test("Add and Mul with a constant operand run on integers", async () => {
    const types = await optypes("constants");
    expect(types).toEqual(expect.arrayContaining(["QLinearAdd", "QLinearMul"]));
    expect(types).not.toContain("Add");
    expect(types).not.toContain("Mul");
    expect(types.filter((type) => type === "DequantizeLinear")).toHaveLength(1);
  });

  test("data is moved as integers; only Pad, which ONNX Runtime has in float only, is not", async () => {
    const types = await optypes("movers");
    const pad = types.indexOf("Pad");
    expect(types.slice(pad - 1, pad + 2)).toEqual(["DequantizeLinear", "Pad", "QuantizeLinear"]);
    types.splice(pad - 1, 3);
    expect(types[0]).toBe("QuantizeLinear");
    // Scores that the network puts out keep the resolution of floats.
    expect(types.at(-1)).toBe("Sigmoid");
    expect(types.slice(1, -1).filter((type) => type.endsWith("Linear"))).toEqual(["DequantizeLinear"]);
  });

  test("residual: QLinearConv and QLinearAdd only, the last Gemm gives float", async () => {
    const types = new Set(await optypes("residual"));
    expect([...types].filter((type) => /Conv|Add|Gemm|Pool/.test(type)).sort()).toEqual([
      "QGemm",
      "QLinearAdd",
      "QLinearConv",
      "QLinearGlobalAveragePool",
    ]);
  });
});

describe("detection heads", () => {
  /** Boxes 0…640 and scores 0…1 joined just before the output. */
  function heads({ scale = 640, behind = "" } = {}): Model {
    const test = testModel(3);
    const { builder } = test;
    const input = builder.input("input", ["N", 3, 8, 8]);
    const layer = (data: string, name: string, from = 3) =>
      builder.node(
        "Conv",
        [data, test.random([2, from, 1, 1], `${name}.weight`)],
        { kernel_shape: ints([1, 1]) },
        { name },
      );
    const boxes = builder.node(
      "Mul",
      [builder.node("Sigmoid", [layer(input, "box")]), builder.constant(scale)],
      {},
      { name: "boxes" },
    );
    const scores = builder.node("Sigmoid", [layer(input, "score")], {}, { name: "scores" });
    const joined = builder.node("Concat", [boxes, scores], { axis: { type: "int", value: 1 } }, { name: "join" });
    if (behind === "conv") builder.output(layer(joined, "last", 4));
    else if (behind === "add")
      builder.output(builder.node("Add", [joined, builder.constant(1)], {}, { name: "shift" }));
    else builder.output(joined);
    return test.model;
  }

  test.each(TARGET_NAMES)("%s: inputs that differ 640 times are kept apart, and the report says so", async (target) => {
    const { model, report, calibration } = await quantizeCopy(heads(), { target });
    const widths = ["boxes_output", "scores_output"].map((value) => calibration.get(value).max);
    expect(report.skipped).toContainEqual({
      node: "join",
      opType: "Concat",
      reason: `inputs differ ${Math.round(widths[0]! / widths[1]!)}× in range near an output: one scale would lose the smaller`,
    });
    const { boxes_output: boxes, scores_output: scores } = report.encodings;
    if (scores) expect(boxes!.scale / scores.scale).toBeGreaterThan(100);
    const output = (await outputsOf(model, { optimization: "disabled" })).join_output!;
    const expected = (await outputsOf(heads())).join_output!;
    // Channels 2 and 3 are scores: they keep their 8 bits, where one shared scale of 2.5 would leave none.
    const worst = expected.reduce(
      (w, x, i) => (Math.floor(i / 64) % 4 >= 2 ? Math.max(w, Math.abs(x - output[i]!)) : w),
      0,
    );
    expect(worst).toBeLessThan(0.05);
  });

  test("what follows the Concat stays in float too, and is said", async () => {
    const { report, model } = await quantizeCopy(heads({ behind: "add" }));
    expect(report.skipped.map(({ node, reason }) => `${node}: ${reason.slice(0, 13)}`)).toEqual(
      ["join: inputs differ", 'shift: follows "join'].map((x) => x.slice(0, x.indexOf(":") + 15)),
    );
    expect(report.encodings.join_output).toBeUndefined();
    expect(sqnrDb(await outputsOf(heads({ behind: "add" })), await outputsOf(model))).toBeGreaterThan(30);
  });

  test("like ranges are joined, and so is what a layer reads", async () => {
    const like = await quantizeCopy(heads({ scale: 4 }));
    expect(like.report.skipped).toEqual([]);
    expect(like.report.encodings.join_output).toBeDefined();
    const middle = await quantizeCopy(heads({ behind: "conv" }));
    expect(middle.report.skipped).toEqual([]);
    expect(middle.report.encodings.join_output).toBeDefined();
  });
});

describe("outputs and names", () => {
  test("a quantized output keeps its name and holds values of its grid; its readers read the same", async () => {
    const { model, report } = await quantizeCopy(MORE_NETWORKS.outputs!());
    const outputs = await outputsOf(model, { optimization: "disabled" });
    expect(Object.keys(outputs)).toEqual(MORE_NETWORKS.outputs!().graph.outputs.map(({ name }) => name));
    for (const [name, values] of Object.entries(outputs)) {
      const { scale } = report.encodings[name]!;
      const off = values.reduce((worst, x) => Math.max(worst, Math.abs(x / scale - Math.round(x / scale))), 0);
      expect(off, name).toBeLessThan(1e-4);
    }
  });

  test("a branch of an If reads the dequantized value of the graph around it", async () => {
    const test = testModel(4);
    const { builder } = test;
    const a = builder.node(
      "Conv",
      [builder.input("input", ["N", 3, 8, 8]), test.random([2, 3, 1, 1])],
      { kernel_shape: ints([1, 1]) },
      { name: "a" },
    );
    const branch = (name: string) => {
      const inner = GraphBuilder.model(name);
      inner.builder.output(inner.builder.node("Neg", [a], {}, { name }));
      return { type: "graph", value: inner.model.graph } as const;
    };
    const condition = builder.constant(Tensor.of("bool", [], Uint8Array.of(1)));
    builder.output(
      builder.node("If", [condition], { then_branch: branch("yes"), else_branch: branch("no") }, { name: "if" }),
    );
    for (const format of ["qdq", "emulation"] as const) {
      const { model, report } = await quantizeCopy(test.model, { format });
      const output = (await outputsOf(model, { optimization: "disabled" })).if_output!;
      const { scale } = report.encodings[a]!;
      expect(
        output.every((x) => Math.abs(x / scale - Math.round(x / scale)) < 1e-4),
        format,
      ).toBe(true);
    }
  });

  test("a value that is an input and an output at once stays as it is for the caller", async () => {
    const float = convReluConv({ channels: 3, seed: 2 });
    float.graph.outputs.push({ name: "input", dtype: "float32", shape: undefined });
    for (const format of ["qdq", "emulation"] as const) {
      const { model } = await quantizeCopy(float, { format });
      expect((await outputsOf(model)).input).toEqual((await feedOf()).input.data);
    }
  });

  test("a float operator reads the input of the network as it is", async () => {
    const test = testModel(5);
    const { builder } = test;
    const input = builder.input("input", ["N", 3, 8, 8]);
    builder.output(builder.node("Conv", [input, test.random([2, 3, 1, 1])], { kernel_shape: ints([1, 1]) }));
    builder.output(builder.node("Tanh", [input], {}, { name: "tanh" }));
    const { model } = await quantizeCopy(test.model);
    expect((await outputsOf(model, { optimization: "disabled" })).tanh_output).toEqual(
      (await outputsOf(test.model, { optimization: "disabled" })).tanh_output,
    );
  });
});

describe("report", () => {
  test("quantizationDetails of a small network, as in MathWorks' emulation page", async () => {
    const { report } = await quantizeCopy(MORE_NETWORKS.constants!(), { granularity: "per-channel" });
    expect(report.details).toEqual({
      isQuantized: true,
      target: "ort-cpu",
      quantizedLayerNames: ["a", "Mul", "Add", "Relu", "b"],
      learnables: [
        { layer: "a", parameter: "Weights", shape: [6, 3, 3, 3], dtype: "int8" },
        { layer: "a", parameter: "Bias", shape: [6], dtype: "int32" },
        { layer: "b", parameter: "Weights", shape: [4, 6, 3, 3], dtype: "int8" },
        { layer: "b", parameter: "Bias", shape: [4], dtype: "int32" },
        { layer: "Mul", parameter: "Constant", shape: [6, 1, 1], dtype: "uint8" },
        { layer: "Add", parameter: "Constant", shape: [1, 6, 1, 1], dtype: "uint8" },
      ],
    });
  });

  test.each([
    ["hailo", "int16"],
    ["tensorrt", "float32"],
  ] as const)("%s: biases are %s", async (target, dtype) => {
    const { report } = await quantizeCopy(convReluConv({ channels: 3, seed: 1 }), { target });
    const biases = report.details.learnables.filter(({ parameter }) => parameter === "Bias");
    expect(biases.map((row) => row.dtype)).toEqual([dtype, dtype]);
  });

  test("random data leave a mark in the model's metadata; real data do not", async () => {
    const float = convReluConv({ channels: 3, seed: 1 });
    const random = await quantizeCopy(float, {}, { ...dataset, random: true });
    expect(parseModel(serializeModel(random.model)).metadata.get("equant.data")).toBe("random");
    expect((await quantizeCopy(float)).model.metadata.has("equant.data")).toBe(false);
  });

  test("nothing to quantize: not modified, byte for byte", async () => {
    const { model: float, builder } = GraphBuilder.model("tanh", 17);
    builder.output(builder.node("Tanh", [builder.input("input", ["N", 3, 8, 8])]));
    const { model, report } = await quantizeCopy(float);
    expect(report).toMatchObject({ modified: false, details: { isQuantized: false, learnables: [] } });
    expect(serializeModel(model)).toEqual(serializeModel(float));
  });
});

describe("what is refused", () => {
  const plan = async (model: Model, options: QuantizeOptions = {}) => {
    const fitting = convReluConv({ channels: 3, seed: 1 });
    const calibration = await calibrate(
      fitting,
      { requests: quantizationRequests(fitting, options) },
      { ...context, data: dataset },
    );
    const before = serializeModel(model);
    try {
      return await quantize({ calibration, ...options })(model, {});
    } finally {
      expect(serializeModel(model)).toEqual(before);
    }
  };
  const model = () => convReluConv({ channels: 3, seed: 1 });

  test("a model that is quantized already: E4003", async () => {
    const { model: quantized } = await quantizeCopy(model());
    await expect(plan(quantized)).rejects.toMatchObject({ code: "E4003" });
    for (const opType of [
      "QLinearConv",
      "QuantizeLinear",
      "DynamicQuantizeLinear",
      "ConvInteger",
      "MatMulIntegerToFloat",
      "MatMulNBits",
      "QGemm",
    ]) {
      const other = model();
      other.graph.nodes.push(createNode({ opType, inputs: ["input"], outputs: ["x"], name: "old" }));
      await expect(plan(other)).rejects.toMatchObject({ code: "E4003", details: { node: "old", opType } });
    }
  });

  test("an opset below 13: E4002", async () => {
    const old = model();
    old.opsets.set("", 12);
    await expect(plan(old)).rejects.toMatchObject({ code: "E4002" });
  });

  test.each(["conv1.weight", "conv2.bias"])("NaN or Inf in %s: E3006 with the place", async (name) => {
    for (const [value, text] of [
      [Number.NaN, "NaN"],
      [Number.NEGATIVE_INFINITY, "-Infinity"],
    ] as const) {
      const damaged = model();
      const tensor = damaged.graph.initializers.get(name)!;
      const values = Float32Array.from(tensor.array() as Float32Array);
      values[2] = value;
      damaged.graph.initializers.set(name, Tensor.float32(tensor.dims, values));
      await expect(plan(damaged)).rejects.toMatchObject({
        code: "E3006",
        message: expect.stringContaining(`${text} in "${name}" at index 2`),
      });
    }
  });

  test("NaN in a constant operand: E3006", async () => {
    const float = MORE_NETWORKS.constants!();
    const calibration = await calibrate(
      float,
      { requests: quantizationRequests(float) },
      { ...context, data: dataset },
    );
    float.graph.initializers.set("gain", Tensor.float32([6, 1, 1], [1, 1, Number.NaN, 1, 1, 1]));
    expect(() => planQuantization(float, calibration)).toThrow(expect.objectContaining({ code: "E3006" }));
  });

  test("statistics of another model: E5003; a chooser without histograms: E4005", async () => {
    await expect(plan(MORE_NETWORKS.residual!())).rejects.toMatchObject({ code: "E5003" });
    const float = model();
    const calibration = await calibrate(
      float,
      { requests: quantizationRequests(float) },
      { ...context, data: dataset },
    );
    expect(() => planQuantization(float, calibration, { calibrator: "mse" })).toThrow(
      expect.objectContaining({ code: "E4005" }),
    );
  });

  test.each<[string, object, string]>([
    ["E2001", { weightBit: 8 }, "weightBit"],
    ["E2002", { weightBits: 17 }, "weightBits 17 is not a whole number (2–16)"],
    ["E2002", { weightBits: 1 }, "weightBits 1 is"],
    ["E2002", { weightBits: 4.5 }, "weightBits 4.5 is"],
    ["E2002", { activationBits: 9 }, "activationBits 9 is not a whole number (2–8)"],
    ["E2002", { chooser: "percentile:40" }, "percentile"],
    ["E2004", { target: "cpu" }, "target 'cpu' is not one of ort-cpu"],
    ["E2004", { chooser: "minmx" }, "calibrator 'minmx'"],
    ["E2004", { weightChooser: "kl" }, "calibrator 'kl'"],
    ["E2004", { activations: "float32" }, "activations 'float32'"],
    ["E2004", { format: "qop" }, "format 'qop'"],
    ["E2004", { granularity: "perGroup" }, "granularity"],
    ["E2004", { bias: "int4" }, "bias 'int4'"],
    ["E2004", { rounding: "up" }, "rounding 'up'"],
    ["E2004", { weightStorage: "int4" }, "weightStorage 'int4'"],
  ])("%s: %o", (code, options, text) => {
    expect(() => resolveQuantizeOptions(options as QuantizeOptions)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(text) }),
    );
  });
});

test("a copy of the model plans alike: what was decided does not depend on objects", async () => {
  const { float, calibration } = await quantizeCopy(MORE_NETWORKS.inception!());
  const [a, b] = [planQuantization(float, calibration), planQuantization(cloneModel(float), calibration)];
  expect(JSON.stringify([...a.activations])).toBe(JSON.stringify([...b.activations]));
});
