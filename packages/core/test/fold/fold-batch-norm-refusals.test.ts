import { describe, test } from "vitest";
import { batchNorm, type TestModel, testModel } from "../helpers/build.js";
import { batchNormThen, layerThenBatchNorm } from "./batch-norm-models.js";
import { type Attribute, createGraph, createNode, int, ints, string, Tensor } from "./core.js";
import { expectRefused } from "./helpers.js";

describe("refusals", () => {
  const conv = (t: TestModel, x: string, attributes: Record<string, Attribute> = {}) =>
    t.builder.node("Conv", [x, t.random([3, 3, 3, 3], "weight")], attributes, { name: "conv" });
  const input = (t: TestModel) => t.builder.input("x", ["N", 3, 6, 6]);

  const cases: Record<string, [(t: TestModel) => void, RegExp]> = {
    "padding behind a shift": [
      (t) => t.builder.output(conv(t, batchNorm(t, input(t), 3), { pads: ints([0, 0, 1, 0]) })),
      /^no Conv.* makes its input; Conv pads with zeros, which its shift would not reach$/,
    ],
    "auto_pad behind a shift": [
      (t) => t.builder.output(conv(t, batchNorm(t, input(t), 3), { auto_pad: string("SAME_UPPER") })),
      /Conv pads with zeros/,
    ],
    "ConvTranspose behind a shift": [
      (t) => t.builder.output(t.builder.node("ConvTranspose", [batchNorm(t, input(t), 3), t.random([3, 2, 3, 3])])),
      /ConvTranspose: its shift would not reach every output equally/,
    ],
    "several consumers of the layer": [
      (t) => {
        const value = conv(t, input(t));
        t.builder.output(batchNorm(t, value, 3));
        t.builder.output(t.builder.node("Relu", [value]));
      },
      /its input "conv_output" has several consumers/,
    ],
    "the layer's output is a graph output": [
      (t) => {
        const value = conv(t, input(t));
        t.builder.output(value);
        t.builder.output(batchNorm(t, value, 3));
      },
      /its input "conv_output" is a graph output/,
    ],
    "a reader that is no layer": [
      (t) => {
        const bn = batchNorm(t, input(t), 3);
        t.builder.output(conv(t, bn));
        t.builder.output(t.builder.node("Relu", [bn]));
      },
      /also read by Relu/,
    ],
    "its output is a graph output": [
      (t) => {
        const bn = batchNorm(t, input(t), 3);
        t.builder.output(bn);
        t.builder.output(conv(t, bn));
      },
      /its output "bn_output" is a graph output/,
    ],
    "no layer near": [
      (t) => t.builder.output(t.builder.node("Relu", [batchNorm(t, t.builder.node("Relu", [input(t)]), 3)])),
      /^no Conv, ConvTranspose, Gemm or MatMul makes its input; no Conv/,
    ],
    "training mode": [
      (t) => {
        const bn = batchNorm(t, conv(t, input(t)), 3);
        t.model.graph.nodes.at(-1)!.attributes.set("training_mode", int(1));
        t.model.graph.nodes.at(-1)!.outputs.push("running_mean", "running_var");
        t.builder.output(bn);
      },
      /training_mode is 1/,
    ],
    "a negative variance": [
      (t) => {
        const bn = batchNorm(t, conv(t, input(t)), 3);
        t.model.graph.initializers.set("bn.var", Tensor.float32([3], [1, -1, 1]));
        t.builder.output(bn);
      },
      /variance \+ epsilon is -0\.99999 in channel 1/,
    ],
    "a result that is not finite": [
      (t) => {
        const bn = batchNorm(t, conv(t, input(t)), 3);
        t.model.graph.initializers.set("bn.scale", Tensor.float32([3], [1, 3e38, 1]));
        t.model.graph.initializers.set("bn.var", Tensor.float32([3], [1, 0, 1]));
        t.builder.output(bn);
      },
      /would not be finite/,
    ],
    "a weight that is a graph input": [
      (t) => {
        const bn = batchNorm(t, conv(t, input(t)), 3);
        t.model.graph.inputs.push({ name: "weight", dtype: "float32", shape: [3, 3, 3, 3] });
        t.builder.output(bn);
      },
      /Conv: its weight "weight" is a graph input/,
    ],
    "a mean that is a graph input": [
      (t) => {
        const bn = batchNorm(t, conv(t, input(t)), 3);
        t.model.graph.initializers.delete("bn.mean");
        t.model.graph.inputs.push({ name: "bn.mean", dtype: "float32", shape: [3] });
        t.builder.output(bn);
      },
      /its mean "bn.mean" is a graph input/,
    ],
    "a computed weight": [
      (t) => {
        const weight = t.builder.node("Relu", [t.builder.input("w", [3, 3, 3, 3])]);
        t.builder.output(batchNorm(t, t.builder.node("Conv", [input(t), weight]), 3));
      },
      /Conv: its weight "Relu_output" is computed by the graph/,
    ],
    "a computed bias": [
      (t) => {
        const bias = t.builder.input("b", [3]);
        t.builder.output(batchNorm(t, t.builder.node("Conv", [input(t), t.random([3, 3, 1, 1]), bias]), 3));
      },
      /Conv: its bias "b" is a graph input/,
    ],
    "MatMul of unknown rank": [
      (t) => {
        const x = t.builder.input("x", ["N", 3, 4]);
        t.builder.output(batchNorm(t, t.builder.node("MatMul", [x, t.random([4, 3])]), 3));
      },
      /MatMul: the rank of its data is not known to be 2/,
    ],
    "a batch of weights": [
      (t) => {
        const x = t.builder.input("x", [3, 2, 4]);
        t.builder.output(batchNorm(t, t.builder.node("MatMul", [x, t.random([3, 4, 5])]), 2));
      },
      /MatMul with a batch of weights/,
    ],
    "a Gemm whose C differs by row": [
      (t) => {
        const x = t.builder.input("x", [2, 4]);
        t.builder.output(batchNorm(t, t.builder.node("Gemm", [x, t.random([4, 3]), t.random([2, 1])]), 3));
      },
      /Gemm: its bias \[2, 1\] is not one value a channel/,
    ],
    "a Gemm with transA": [
      (t) => {
        const x = t.builder.input("x", [4, 2]);
        const gemm = t.builder.node("Gemm", [x, t.random([4, 3])], { transA: int(1) });
        t.builder.output(batchNorm(t, gemm, 3));
      },
      /Gemm with a weight of shape \[4, 3\] is not a layer by channel/,
    ],
  };

  test.each(Object.entries(cases))("%s", async (_, [build, reason]) => {
    const t = testModel(5);
    build(t);
    await expectRefused(t.model, "bn", reason);
  });

  test("float16", async () => {
    const t = testModel(5);
    const half = (dims: number[]) =>
      t.builder.constant(Tensor.of("float16", dims, new Uint16Array(dims.reduce((a, b) => a * b, 1)).fill(0x3c00)));
    const x = t.builder.input("x", [1, 2, 4, 4], "float16");
    const value = t.builder.node("Conv", [x, half([2, 2, 1, 1])]);
    const bn = t.builder.node(
      "BatchNormalization",
      [value, half([2]), half([2]), half([2]), half([2])],
      {},
      { name: "bn" },
    );
    t.builder.output(bn, "float16");
    await expectRefused(t.model, "bn", /its scale is float16, only float32 and float64/);
  });

  test("spatial = 0 (opset 7) and training outputs (opset 9)", async () => {
    for (const [opset, change, reason] of [
      [7, "spatial", /spatial is 0/],
      [9, "outputs", /it outputs batch statistics/],
    ] as const) {
      const t = testModel(5, opset);
      const bn = batchNorm(t, conv(t, input(t)), 3);
      t.builder.output(bn);
      const node = t.model.graph.nodes.at(-1)!;
      if (change === "spatial") node.attributes.set("spatial", int(0));
      else node.outputs.push("mean", "var", "saved_mean", "saved_var");
      await expectRefused(t.model, "bn", reason);
    }
  });
});

test("a value that a subgraph captures stays", async () => {
  const branch = (name: string, opType: string): Attribute => ({
    type: "graph",
    value: {
      ...createGraph(name),
      nodes: [createNode({ opType, inputs: ["layer_output"], outputs: [`${name}.y`] })],
      outputs: [{ name: `${name}.y`, dtype: "float32" }],
    },
  });
  const before = layerThenBatchNorm({ input: [1, 2, 4, 4], weight: [3, 2, 1, 1], channels: 3 });
  const branches = { then_branch: branch("a", "Neg"), else_branch: branch("b", "Exp") };
  before.graph.inputs.push({ name: "c", dtype: "bool", shape: [] });
  before.graph.nodes.push(createNode({ opType: "If", inputs: ["c"], outputs: ["y"], attributes: branches }));
  before.graph.outputs.push({ name: "y", dtype: "float32" });
  await expectRefused(before, "bn", /^its input "layer_output" is read by a subgraph$/);

  const behind = batchNormThen([1, 3, 4, 4], (t, x) => [t.builder.node("Conv", [x, t.random([2, 3, 1, 1])])]);
  behind.graph.nodes[0]!.outputs[0] = "layer_output";
  behind.graph.nodes[1]!.inputs[0] = "layer_output";
  behind.graph.inputs.push({ name: "c", dtype: "bool", shape: [] });
  behind.graph.nodes.push(createNode({ opType: "If", inputs: ["c"], outputs: ["y"], attributes: branches }));
  behind.graph.outputs.push({ name: "y", dtype: "float32" });
  await expectRefused(behind, "bn", /its output "layer_output" is read by a subgraph$/);
});
