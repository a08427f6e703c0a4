import { describe, expect, test } from "vitest";
import { batchNorm, testModel } from "../helpers/build.js";
import { batchNormThen, type Case, layerThenBatchNorm } from "./batch-norm-models.js";
import {
  type Attribute,
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
import { countsOf, expectFolded, floats, foldCopy, opTypes } from "./helpers.js";

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
