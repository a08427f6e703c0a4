import { describe, expect, test } from "vitest";
import { batchNorm, type TestModel, testModel } from "../helpers/build.js";
import {
  type Attribute,
  createGraph,
  createNode,
  createRandom,
  float,
  int,
  ints,
  type Model,
  parseModel,
  serializeModel,
  string,
  Tensor,
} from "./core.js";
import { countsOf, expectFolded, expectRefused, floats, foldCopy, opTypes } from "./helpers.js";

interface Case {
  readonly input: readonly (number | string)[];
  readonly weight: readonly number[];
  readonly attributes?: Record<string, Attribute>;
  readonly channels: number;
  readonly opType?: string;
  readonly bias?: readonly number[];
}

/** input → layer → BatchNormalization → output. */
function layerThenBatchNorm({ input, weight, attributes = {}, channels, opType = "Conv", bias }: Case): Model {
  const t = testModel(7);
  const x = t.builder.input("x", input);
  const inputs = [x, t.random(weight, "weight"), ...(bias ? [t.random(bias, "bias")] : [])];
  const layer = t.builder.node(opType, inputs, attributes, { name: "layer" });
  t.builder.output(batchNorm(t, layer, channels));
  return t.model;
}

const CASES: Record<string, Case> = {
  "Conv 1-D": { input: ["N", 3, 9], weight: [4, 3, 3], channels: 4, bias: [4] },
  "Conv 2-D with padding": {
    input: ["N", 3, 6, 6],
    weight: [4, 3, 3, 3],
    attributes: { pads: ints([1, 1, 1, 1]) },
    channels: 4,
    bias: [4],
  },
  "Conv 3-D": { input: ["N", 2, 4, 4, 4], weight: [3, 2, 2, 2, 2], channels: 3 },
  "Conv without bias": { input: ["N", 3, 6, 6], weight: [4, 3, 1, 1], channels: 4 },
  "Conv in groups": { input: ["N", 4, 6, 6], weight: [6, 2, 3, 3], attributes: { group: int(2) }, channels: 6 },
  "Conv depthwise": { input: ["N", 4, 6, 6], weight: [4, 1, 3, 3], attributes: { group: int(4) }, channels: 4 },
  "Conv depthwise, two outputs a channel": {
    input: ["N", 3, 6, 6],
    weight: [6, 1, 3, 3],
    attributes: { group: int(3) },
    channels: 6,
    bias: [6],
  },
  ConvTranspose: {
    opType: "ConvTranspose",
    input: ["N", 3, 4, 4],
    weight: [3, 5, 3, 3],
    attributes: { strides: ints([2, 2]), output_padding: ints([1, 1]) },
    channels: 5,
    bias: [5],
  },
  "ConvTranspose in groups": {
    opType: "ConvTranspose",
    input: ["N", 4, 4, 4],
    weight: [4, 3, 3, 3],
    attributes: { group: int(2) },
    channels: 6,
  },
  Gemm: { opType: "Gemm", input: ["N", 5], weight: [5, 4], channels: 4, bias: [4] },
  "Gemm without C": { opType: "Gemm", input: ["N", 5], weight: [5, 4], channels: 4 },
  "Gemm with transB, alpha and beta": {
    opType: "Gemm",
    input: ["N", 5],
    weight: [4, 5],
    attributes: { transB: int(1), alpha: float(0.5), beta: float(2) },
    channels: 4,
    bias: [1, 4],
  },
  "Gemm with a scalar C": { opType: "Gemm", input: ["N", 5], weight: [5, 4], channels: 4, bias: [] },
};

describe("into the layer before", () => {
  test.each(Object.entries(CASES))("%s", async (_, layer) => {
    const model = layerThenBatchNorm(layer);
    const { model: folded, report } = await expectFolded(model);
    expect(opTypes(folded)).toEqual([layer.opType ?? "Conv"]);
    expect(report.counts).toEqual(countsOf({ batchNorms: 1 }));
    expect(report.folded).toEqual([{ kind: "batchNorms", node: "bn", opType: "BatchNormalization", into: ["layer"] }]);
    expect(floats(folded, "weight")).not.toEqual(floats(model, "weight"));
    expect([...folded.graph.initializers.keys()]).not.toContain("bn.scale");
  });

  test("the parameters follow the equation", async () => {
    const model = layerThenBatchNorm(CASES["ConvTranspose in groups"]!);
    const { model: folded } = await expectFolded(model);
    const [gamma, beta, mean, variance] = ["bn.scale", "bn.bias", "bn.mean", "bn.var"].map((name) =>
      floats(model, name),
    );
    const [old, now] = [floats(model, "weight"), floats(folded, "weight")];
    // Weight [C = 4, M/group = 3, 3, 3], 2 groups: input channels 0, 1 feed outputs 0–2, channels 2, 3 outputs 3–5.
    for (let i = 0; i < old.length; i++) {
      const c = Math.floor(i / 27);
      const out = (c < 2 ? 0 : 3) + (Math.floor(i / 9) % 3);
      expect(now[i]).toBeCloseTo((old[i]! * gamma![out]!) / Math.sqrt(variance![out]! + 1e-5), 5);
    }
    const bias = folded.graph.nodes[0]!.inputs[2]!;
    const expected = mean!.map((mu, c) => beta![c]! - (mu * gamma![c]!) / Math.sqrt(variance![c]! + 1e-5));
    floats(folded, bias).forEach((value, c) => {
      expect(value).toBeCloseTo(expected[c]!, 5);
    });
  });

  test("epsilon and the default epsilon", async () => {
    for (const attributes of [{}, { epsilon: float(0.3) }] as Record<string, Attribute>[]) {
      const t = testModel(1);
      const conv = t.builder.node("Conv", [t.builder.input("x", [1, 2, 4, 4]), t.random([2, 2, 1, 1])]);
      const parameters = [
        t.positive([2]),
        t.random([2]),
        t.random([2]),
        t.builder.constant(Tensor.float32([2], [0, 1e-4])),
      ];
      t.builder.output(t.builder.node("BatchNormalization", [conv, ...parameters], attributes));
      await expectFolded(t.model);
    }
  });

  test("float64", async () => {
    const t = testModel(1);
    const random = createRandom(5);
    const double = (dims: number[], least = -2) => {
      const size = dims.reduce((a, b) => a * b, 1);
      const data = Float64Array.from({ length: size }, () => Math.max(least, random.normal()));
      return t.builder.constant(Tensor.of("float64", dims, data));
    };
    const x = t.builder.input("x", ["N", 5], "float64");
    const gemm = t.builder.node("Gemm", [x, double([5, 4]), double([4])]);
    const bn = t.builder.node("BatchNormalization", [gemm, double([4]), double([4]), double([4]), double([4], 0.5)]);
    t.builder.output(bn, "float64");
    const { model } = await expectFolded(t.model);
    expect([...model.graph.initializers.values()].map(({ dtype }) => dtype)).toEqual(["float64", "float64"]);
  });

  test("a chain of two", async () => {
    const t = testModel(3);
    const conv = t.builder.node("Conv", [t.builder.input("x", [2, 3, 4, 4]), t.random([4, 3, 3, 3])]);
    t.builder.output(batchNorm(t, batchNorm(t, conv, 4, "a"), 4, "b"));
    const { model, report } = await expectFolded(t.model);
    expect(opTypes(model)).toEqual(["Conv"]);
    expect(report.counts.batchNorms).toBe(2);
  });

  test("MatMul of rank 2 gets its bias in an Add, MatMul and Add become Gemm", async () => {
    const t = testModel(3);
    const x = t.builder.input("x", ["N", 4]);
    const plain = t.builder.node("MatMul", [x, t.random([4, 3])], {}, { name: "fc" });
    t.builder.output(batchNorm(t, plain, 3));
    const { model } = await expectFolded(t.model, { kinds: ["batchNorms"] });
    expect(opTypes(model)).toEqual(["MatMul", "Add"]);
    const all = await expectFolded(t.model);
    expect(opTypes(all.model)).toEqual(["Gemm"]);
  });

  test("MatMul with a bias Add", async () => {
    const t = testModel(3);
    const x = t.builder.input("x", ["N", 4]);
    const plain = t.builder.node("MatMul", [x, t.random([4, 3], "w")], {}, { name: "fc" });
    const biased = t.builder.node("Add", [t.random([3], "b"), plain]);
    t.builder.output(batchNorm(t, biased, 3));
    const { model } = await expectFolded(t.model, { kinds: ["batchNorms"] });
    expect(opTypes(model)).toEqual(["MatMul", "Add"]);
    expect(floats(model, "b")).not.toEqual(floats(t.model, "b"));
    expect(opTypes((await expectFolded(t.model)).model)).toEqual(["Gemm"]);
  });

  test("graph output keeps its name, an inner value does not get in the way", async () => {
    const t = testModel(3);
    const conv = t.builder.node(
      "Conv",
      [t.builder.input("x", [2, 3, 4, 4]), t.random([4, 3, 1, 1])],
      {},
      { name: "c" },
    );
    const bn = batchNorm(t, conv, 4, "final");
    t.builder.output(bn);
    const { model } = await expectFolded(t.model);
    expect(model.graph.nodes[0]!.outputs).toEqual([bn]);
  });
});

describe("shared initializers", () => {
  test("a weight of two layers is copied, the other layer keeps its own", async () => {
    const t = testModel(4);
    const x = t.builder.input("x", ["N", 3, 5, 5]);
    const weight = t.random([3, 3, 3, 3], "weight");
    const bias = t.random([3], "bias");
    const a = t.builder.node("Conv", [x, weight, bias], {}, { name: "a" });
    const b = t.builder.node("Conv", [x, weight, bias], {}, { name: "b" });
    t.builder.output(batchNorm(t, a, 3));
    t.builder.output(b);
    const { model } = await expectFolded(t.model);
    const [first, second] = model.graph.nodes;
    expect(second!.inputs).toEqual(["x", weight, bias]);
    expect(first!.inputs).toEqual(["x", "weight_1", "bias_1"]);
    expect(floats(model, weight)).toEqual(floats(t.model, weight));
  });

  test("a weight that a second BatchNormalization uses as its scale", async () => {
    const t = testModel(4);
    const x = t.builder.input("x", ["N", 3, 5, 5]);
    const shared = t.positive([3], "shared");
    const conv = t.builder.node("Conv", [x, t.random([3, 3, 1, 1]), shared], {}, { name: "a" });
    const bn = t.builder.node("BatchNormalization", [conv, shared, shared, shared, shared], {}, { name: "bn" });
    t.builder.output(bn);
    t.builder.output(t.builder.node("Relu", [shared]));
    const { model } = await expectFolded(t.model, { kinds: ["batchNorms"] });
    expect(floats(model, shared)).toEqual(floats(t.model, shared));
  });

  test("parameters held by Constant nodes", async () => {
    const t = layerThenBatchNorm({ input: [1, 2, 4, 4], weight: [3, 2, 1, 1], channels: 3 });
    const { graph } = t;
    for (const name of ["weight", "bn.scale", "bn.var"]) {
      const value = graph.initializers.get(name)!;
      graph.initializers.delete(name);
      graph.nodes.unshift({
        name: "",
        opType: "Constant",
        domain: "",
        inputs: [],
        outputs: [name],
        attributes: new Map([["value", { type: "tensor", value }]]),
      });
    }
    const { model, report } = await expectFolded(t);
    expect(opTypes(model)).toEqual(["Conv"]);
    expect(report.counts).toEqual(countsOf({ constants: 3, batchNorms: 1 }));
  });
});

/** input → BatchNormalization → layers → outputs. */
function batchNormThen(input: readonly (number | string)[], layers: (t: TestModel, data: string) => string[]): Model {
  const t = testModel(9);
  const bn = batchNorm(t, t.builder.input("x", input), input[1] as number);
  for (const output of layers(t, bn)) t.builder.output(output);
  return t.model;
}

describe("into the layers behind", () => {
  test.each<[string, Model]>([
    [
      "Conv without padding",
      batchNormThen(["N", 3, 6, 6], (t, x) => [t.builder.node("Conv", [x, t.random([4, 3, 3, 3])])]),
    ],
    [
      "Conv in groups, with bias",
      batchNormThen(["N", 4, 6, 6], (t, x) => [
        t.builder.node("Conv", [x, t.random([6, 2, 3, 3]), t.random([6])], {
          group: int(2),
          auto_pad: string("VALID"),
        }),
      ]),
    ],
    [
      "Conv depthwise",
      batchNormThen(["N", 4, 6], (t, x) => [t.builder.node("Conv", [x, t.random([4, 1, 3])], { group: int(4) })]),
    ],
    [
      "Gemm with transB, alpha and beta",
      batchNormThen(["N", 4], (t, x) => [
        t.builder.node("Gemm", [x, t.random([3, 4]), t.random([3])], {
          transB: int(1),
          alpha: float(0.3),
          beta: float(0.7),
        }),
      ]),
    ],
    ["Gemm without C", batchNormThen(["N", 4], (t, x) => [t.builder.node("Gemm", [x, t.random([4, 3])])])],
    ["MatMul", batchNormThen(["N", 4], (t, x) => [t.builder.node("MatMul", [x, t.random([4, 3])])])],
    [
      "MatMul with a bias",
      batchNormThen(["N", 4], (t, x) => [
        t.builder.node("Add", [t.builder.node("MatMul", [x, t.random([4, 3])]), t.random([3])]),
      ]),
    ],
    [
      "two layers with one weight",
      batchNormThen(["N", 3, 6, 6], (t, x) => {
        const weight = t.random([4, 3, 1, 1]);
        return [t.builder.node("Conv", [x, weight]), t.builder.node("Conv", [x, weight], { strides: ints([2, 2]) })];
      }),
    ],
  ])("%s", async (_, model) => {
    const { model: folded, report } = await expectFolded(model);
    expect(opTypes(folded)).not.toContain("BatchNormalization");
    expect(report.counts.batchNorms).toBe(1);
  });

  test("a scale without a shift passes through padding and ConvTranspose", async () => {
    for (const opType of ["Conv", "ConvTranspose"]) {
      const t = testModel(2);
      const zero = t.builder.constant(Tensor.float32([3], [0, 0, 0]));
      const x = t.builder.input("x", ["N", 3, 5, 5]);
      const bn = t.builder.node("BatchNormalization", [x, t.positive([3]), zero, zero, t.positive([3])]);
      t.builder.output(t.builder.node(opType, [bn, t.random([3, 3, 3, 3])], { pads: ints([1, 1, 1, 1]) }));
      const { model } = await expectFolded(t.model);
      expect(opTypes(model)).toEqual([opType]);
      expect(model.graph.nodes[0]!.inputs).toHaveLength(2);
    }
  });
});

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

test("a model without BatchNormalization stays byte for byte as it is", async () => {
  const t = testModel(1);
  t.builder.output(
    t.builder.node("Relu", [t.builder.node("Conv", [t.builder.input("x", [1, 2, 4, 4]), t.random([2, 2, 1, 1])])]),
  );
  const { report, before, after } = await foldCopy(t.model);
  expect(report).toMatchObject({ modified: false, skipped: [], folded: [], nodesBefore: 2, nodesAfter: 2 });
  expect(Buffer.compare(before, after)).toBe(0);
});

test("inputDefaults makes a weight that is a graph input foldable and drops the input", async () => {
  const t = layerThenBatchNorm({ input: [1, 2, 4, 4], weight: [3, 2, 1, 1], channels: 3 });
  t.graph.inputs.push({ name: "weight", dtype: "float32", shape: [3, 2, 1, 1] });
  const model = parseModel(serializeModel(t));
  const { model: folded } = await expectFolded(model, { inputDefaults: true });
  expect(folded.graph.inputs.map(({ name }) => name)).toEqual(["x"]);
  expect(opTypes(folded)).toEqual(["Conv"]);
});
