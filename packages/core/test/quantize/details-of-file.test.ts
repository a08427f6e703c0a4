import { describe, expect, test } from "vitest";
import { GraphBuilder, ints, parseModel, serializeModel, Tensor } from "../../src/graph/index.js";
import { detailsOfFile, TARGET_NAMES } from "../../src/quantize/index.js";
import { prepareModel } from "../../src/steps/index.js";
import { batchNorm, testModel } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";
import { dataset, MORE_NETWORKS, quantizeCopy } from "./networks.js";

const CASES = TARGET_NAMES.flatMap((target) => Object.keys(MORE_NETWORKS).map((name) => [target, name] as const));

describe("a file of equant's", () => {
  test.each(CASES)("%s, %s: says what the plan said", async (target, name) => {
    const { model, report } = await quantizeCopy(MORE_NETWORKS[name]!(), { target });
    const details = detailsOfFile(parseModel(serializeModel(model)));
    expect(details.isQuantized).toBe(report.details.isQuantized);
    expect(details.target).toBe(target);
    const layers = (rows: typeof details.learnables) =>
      rows.filter(({ parameter }) => parameter !== "Constant").map((row) => JSON.stringify(row));
    expect(layers(details.learnables).sort()).toEqual(layers(report.details.learnables).sort());
    expect([...details.quantizedLayerNames].sort()).toEqual([...report.details.quantizedLayerNames].sort());
  });

  test("names the BatchNormalization that a layer has taken in, and the activation behind it", async () => {
    const t = testModel(3);
    const x = t.builder.input("input", ["N", 3, 8, 8]);
    const conv = t.builder.node("Conv", [x, t.random([4, 3, 3, 3])], { kernel_shape: ints([3, 3]) }, { name: "conv" });
    t.builder.output(t.builder.node("Relu", [batchNorm(t, conv, 4)], {}, { name: "relu" }));
    await prepareModel(t.model, { runner });
    const { model } = await quantizeCopy(t.model, { target: "ort-web" }, dataset);
    const details = detailsOfFile(parseModel(serializeModel(model)));
    expect(details.quantizedLayerNames).toEqual(["conv", "bn", "relu"]);
    expect(details.learnables).toEqual([
      { layer: "conv", parameter: "Weights", shape: [4, 3, 3, 3], dtype: "int8" },
      { layer: "conv", parameter: "Bias", shape: [4], dtype: "int32" },
    ]);
  });
});

describe("files of other tools", () => {
  const scalar = (b: GraphBuilder, name: string) => b.constant(Tensor.scalar(0.1), name);
  const zero = (b: GraphBuilder, dtype: "int8" | "uint8", name: string) =>
    b.constant(Tensor.of(dtype, [], dtype === "int8" ? new Int8Array(1) : new Uint8Array(1)), name);

  test("QLinearConv, MatMulInteger and MatMulNBits", () => {
    const { model, builder: b } = GraphBuilder.model("integers", 17);
    const int8 = (dims: number[]) => Tensor.of("int8", dims, new Int8Array(dims.reduce((p, d) => p * d, 1)));
    const x = b.input("x", ["N", 3, 4, 4], "uint8");
    const [s, z, zw] = [scalar(b, "s"), zero(b, "uint8", "z"), zero(b, "int8", "zw")];
    const bias = b.constant(Tensor.of("int32", [5], new Int32Array(5)), "bias");
    b.output(b.node("QLinearConv", [x, s, z, b.constant(int8([5, 3, 1, 1])), s, zw, s, z, bias], {}, { name: "conv" }));
    b.output(b.node("MatMulInteger", [b.input("y", ["N", 7], "uint8"), b.constant(int8([7, 2]))], {}, { name: "mm" }));
    const packed = b.constant(Tensor.of("uint8", [8, 1, 16], new Uint8Array(128)), "packed");
    const options = { name: "nbits", domain: "com.microsoft" };
    b.output(
      b.node(
        "MatMulNBits",
        [b.input("w", ["N", 32]), packed, b.constant(Tensor.float32([8], new Float32Array(8)))],
        {},
        options,
      ),
    );
    expect(detailsOfFile(model)).toEqual({
      isQuantized: true,
      target: null,
      quantizedLayerNames: ["conv", "mm", "nbits"],
      learnables: [
        { layer: "conv", parameter: "Weights", shape: [5, 3, 1, 1], dtype: "int8" },
        { layer: "conv", parameter: "Bias", shape: [5], dtype: "int32" },
        { layer: "mm", parameter: "Weights", shape: [7, 2], dtype: "int8" },
        { layer: "nbits", parameter: "Weights", shape: [8, 1, 16], dtype: "uint8" },
      ],
    });
  });

  test("float weights in front of a pair, turned ones, weights alone, and a layer left in float", () => {
    const { model, builder: b } = GraphBuilder.model("pairs", 17);
    const floats = (dims: number[]) => Tensor.float32(dims, new Float32Array(dims.reduce((p, d) => p * d, 1)));
    const [s, z, zw] = [scalar(b, "s"), zero(b, "uint8", "z"), zero(b, "int8", "zw")];
    const pair = (value: string, point: string) =>
      b.node("DequantizeLinear", [b.node("QuantizeLinear", [value, s, point]), s, point]);
    const x = b.input("x", ["N", 3, 4, 4]);
    const conv = b.node("Conv", [pair(x, z), pair(b.constant(floats([5, 3, 1, 1])), zw)], {}, { name: "conv" });
    b.output(pair(b.node("Relu", [conv], {}, { name: "relu" }), z));
    const rows = b.input("rows", ["N", 7]);
    const stored = b.constant(Tensor.of("int8", [2, 7], new Int8Array(14)), "stored");
    const turned = b.node("Transpose", [b.node("DequantizeLinear", [stored, s, zw])]);
    b.output(b.node("MatMul", [pair(rows, z), turned], {}, { name: "turned" }));
    b.output(b.node("MatMul", [rows, turned], {}, { name: "weights only" }));
    b.output(b.node("MatMul", [rows, b.constant(floats([7, 2]))], {}, { name: "float" }));
    const details = detailsOfFile(model);
    expect(details.quantizedLayerNames).toEqual(["conv", "relu", "turned"]);
    expect(details.learnables).toEqual([
      { layer: "conv", parameter: "Weights", shape: [5, 3, 1, 1], dtype: "int8" },
      { layer: "turned", parameter: "Weights", shape: [2, 7], dtype: "int8" },
      { layer: "weights only", parameter: "Weights", shape: [2, 7], dtype: "int8" },
    ]);
  });

  test("a float model has none", () => {
    expect(detailsOfFile(MORE_NETWORKS.chain!())).toEqual({
      isQuantized: false,
      target: null,
      quantizedLayerNames: [],
      learnables: [],
    });
  });
});
