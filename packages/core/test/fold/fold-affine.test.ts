import { describe, expect, test } from "vitest";
import { type TestModel, testModel } from "../helpers/build.js";
import { type Attribute, float, int, ints, type Model, Tensor } from "./core.js";
import { countsOf, expectFolded, expectRefused, floats, foldCopy, opTypes } from "./helpers.js";

type Build = (t: TestModel) => string;

function modelOf(build: Build, opset = 17): Model {
  const t = testModel(11, opset);
  t.builder.output(build(t));
  return t.model;
}

const image = (t: TestModel, channels = 3) => t.builder.input("x", ["N", channels, 5, 5]);
const conv = (t: TestModel, x: string, weight: number[] = [4, 3, 3, 3], attributes: Record<string, Attribute> = {}) =>
  t.builder.node("Conv", [x, t.random(weight, "weight")], attributes, { name: "conv" });
const op = (t: TestModel, opType: string, ...inputs: string[]) => t.builder.node(opType, inputs, {}, { name: "op" });
/** Away from 0, so that it may divide. */
const constant = (t: TestModel, dims: number[]) => t.positive(dims, "c");

describe("behind a layer", () => {
  const cases: Record<string, Build> = {
    "Add by channel": (t) => op(t, "Add", conv(t, image(t)), constant(t, [1, 4, 1, 1])),
    "Add, constant first, rank 3": (t) => op(t, "Add", constant(t, [4, 1, 1]), conv(t, image(t))),
    "Sub by channel": (t) => op(t, "Sub", conv(t, image(t)), constant(t, [4, 1, 1])),
    "constant minus value": (t) => op(t, "Sub", constant(t, [4, 1, 1]), conv(t, image(t))),
    "Mul by channel": (t) => op(t, "Mul", conv(t, image(t)), constant(t, [1, 4, 1, 1])),
    "Mul by a scalar": (t) => op(t, "Mul", conv(t, image(t)), constant(t, [])),
    "Mul by [1]": (t) => op(t, "Mul", constant(t, [1]), conv(t, image(t))),
    "Mul by [1, 1, 1, 1]": (t) => op(t, "Mul", constant(t, [1, 1, 1, 1]), conv(t, image(t))),
    "Div by channel": (t) => op(t, "Div", conv(t, image(t)), constant(t, [4, 1, 1])),
    "Mul behind a padded Conv in groups": (t) =>
      op(
        t,
        "Mul",
        conv(t, image(t, 4), [6, 2, 3, 3], { group: int(2), pads: ints([1, 1, 1, 1]) }),
        constant(t, [6, 1, 1]),
      ),
    "Add behind a padded Conv 1-D": (t) =>
      op(t, "Add", conv(t, t.builder.input("x", [2, 3, 7]), [4, 3, 3], { pads: ints([1, 1]) }), constant(t, [4, 1])),
    "Mul behind ConvTranspose in groups": (t) =>
      op(
        t,
        "Mul",
        t.builder.node("ConvTranspose", [image(t, 4), t.random([4, 3, 3, 3]), t.random([6])], { group: int(2) }),
        constant(t, [6, 1, 1]),
      ),
    "Add behind Gemm": (t) =>
      op(t, "Add", t.builder.node("Gemm", [t.builder.input("x", ["N", 3]), t.random([3, 4])]), constant(t, [4])),
    "Sub behind Gemm with beta": (t) =>
      op(
        t,
        "Sub",
        t.builder.node("Gemm", [t.builder.input("x", ["N", 3]), t.random([4, 3]), t.random([1])], {
          transB: int(1),
          beta: float(3),
        }),
        constant(t, [1, 4]),
      ),
    "Mul behind MatMul of any rank": (t) =>
      op(t, "Mul", t.builder.node("MatMul", [t.builder.input("x", [2, 5, 3]), t.random([3, 4])]), constant(t, [4])),
    "Mul behind MatMul, constant of rank 3": (t) =>
      op(
        t,
        "Mul",
        t.builder.node("MatMul", [t.builder.input("x", [2, 5, 3]), t.random([3, 4])]),
        constant(t, [1, 1, 4]),
      ),
    "Add behind MatMul, one channel": (t) =>
      op(t, "Add", t.builder.node("MatMul", [t.builder.input("x", [2, 3]), t.random([3, 1])]), constant(t, [1])),
  };
  test.each(Object.entries(cases))("%s", async (_, build) => {
    const model = modelOf(build);
    const { model: folded, report } = await expectFolded(model);
    expect(folded.graph.nodes).toHaveLength(1);
    expect(report.counts).toEqual(countsOf({ affine: 1 }));
    expect(report.nodesAfter).toBe(1);
  });

  test("a long chain ends in one Conv with the right bias", async () => {
    const model = modelOf((t) => {
      let value = conv(t, image(t));
      for (const opType of ["Mul", "Add", "Div", "Sub", "Mul"]) value = op(t, opType, value, constant(t, [4, 1, 1]));
      return value;
    });
    const { model: folded, report } = await expectFolded(model, {}, {});
    expect(opTypes(folded)).toEqual(["Conv"]);
    expect(report.counts.affine).toBe(5);
  });

  test("a pure factor gives no bias, an Add does, in float64 arithmetic", async () => {
    const mul = await expectFolded(modelOf((t) => op(t, "Mul", conv(t, image(t)), constant(t, []))));
    expect(mul.model.graph.nodes[0]!.inputs).toHaveLength(2);
    const source = modelOf((t) => op(t, "Add", conv(t, image(t)), constant(t, [4, 1, 1])));
    const add = await expectFolded(source);
    expect(floats(add.model, add.model.graph.nodes[0]!.inputs[2]!)).toEqual(floats(source, "c"));
    expect(floats(add.model, "weight")).toEqual(floats(source, "weight"));
  });
});

describe("in front of a layer", () => {
  const cases: Record<string, Build> = {
    "Mul by channel": (t) => conv(t, op(t, "Mul", image(t), constant(t, [1, 3, 1, 1]))),
    "Mul by channel, padded": (t) =>
      conv(t, op(t, "Mul", image(t), constant(t, [3, 1, 1])), [4, 3, 3, 3], { pads: ints([1, 1, 1, 1]) }),
    "Div by a scalar": (t) => conv(t, op(t, "Div", image(t), constant(t, []))),
    "Add by channel, no padding": (t) => conv(t, op(t, "Add", constant(t, [3, 1, 1]), image(t))),
    "Sub before a Conv in groups": (t) =>
      conv(t, op(t, "Sub", image(t, 4), constant(t, [4, 1, 1])), [6, 2, 2, 2], { group: int(2) }),
    "constant minus value before a depthwise Conv": (t) =>
      conv(t, op(t, "Sub", constant(t, [4, 1, 1]), image(t, 4)), [4, 1, 2, 2], { group: int(4) }),
    "Mul before ConvTranspose": (t) =>
      t.builder.node("ConvTranspose", [op(t, "Mul", image(t), constant(t, [3, 1, 1])), t.random([3, 2, 3, 3])]),
    "Add before Gemm with alpha": (t) =>
      t.builder.node(
        "Gemm",
        [op(t, "Add", t.builder.input("x", [2, 3]), constant(t, [3])), t.random([4, 3]), t.random([4])],
        {
          transB: int(1),
          alpha: float(0.25),
          beta: float(0.5),
        },
      ),
    "Mul before MatMul of rank 3": (t) =>
      t.builder.node("MatMul", [op(t, "Mul", t.builder.input("x", [2, 5, 3]), constant(t, [3])), t.random([3, 4])]),
  };
  test.each(Object.entries(cases))("%s", async (_, build) => {
    const { model, report } = await expectFolded(modelOf(build), {}, {});
    expect(model.graph.nodes).toHaveLength(1);
    expect(report.counts).toEqual(countsOf({ affine: 1 }));
  });

  test("a shift before a MatMul of any rank becomes the Add behind it, and stays there", async () => {
    const model = modelOf((t) =>
      t.builder.node(
        "MatMul",
        [op(t, "Add", t.builder.input("x", [2, 5, 3]), constant(t, [3])), t.random([3, 4])],
        {},
        { name: "fc" },
      ),
    );
    const { report, model: folded } = await foldCopy(model);
    expect(opTypes(folded)).toEqual(["MatMul", "Add"]);
    expect(report.skipped).toEqual([
      { node: "fc_bias_add", opType: "Add", reason: expect.stringMatching(/stay a pair: the rank of its input/) },
    ]);
  });

  test("all readers take it", async () => {
    const { model } = await expectFolded(
      modelOf((t) => {
        const scaled = op(t, "Mul", image(t), constant(t, [3, 1, 1]));
        const weight = t.random([3, 3, 1, 1], "shared");
        return t.builder.node("Add", [
          t.builder.node("Conv", [scaled, weight]),
          t.builder.node("Conv", [scaled, weight]),
        ]);
      }),
    );
    expect(opTypes(model)).toEqual(["Conv", "Conv", "Add"]);
  });
});

describe("MatMul and its bias", () => {
  const pair = (rank: number, bias: number[]) =>
    modelOf((t) => {
      const x = t.builder.input("x", rank === 2 ? ["N", 3] : ["N", 5, 3]);
      const product = t.builder.node("MatMul", [x, t.random([3, 4], "weight")], {}, { name: "fc" });
      return t.builder.node("Add", [t.random(bias, "bias"), product], {}, { name: "add" });
    });

  test.each([[[4]], [[1, 4]], [[]], [[1]]])("become a Gemm at rank 2, bias %j", async (bias) => {
    const { model, report } = await expectFolded(pair(2, bias));
    expect(opTypes(model)).toEqual(["Gemm"]);
    expect(model.graph.nodes[0]!.name).toBe("fc");
    expect(report.folded).toEqual([{ kind: "affine", node: "add", opType: "Add", into: ["fc"] }]);
  });

  test("stay a pair at another rank", async () => {
    await expectRefused(pair(3, [4]), "add", /stay a pair: the rank of its input is not known to be 2/);
  });

  test("a later constant goes into the bias of the pair", async () => {
    const model = pair(3, [4]);
    const t = testModel(3);
    model.graph.initializers.set("factor", Tensor.float32([4], [1, 2, 3, 4]));
    const [output] = model.graph.outputs;
    model.graph.nodes.push({
      name: "mul",
      opType: "Mul",
      domain: "",
      inputs: [output!.name, "factor"],
      outputs: ["y"],
      attributes: new Map(),
    });
    model.graph.outputs = [{ ...output!, name: "y" }];
    const { model: folded, report } = await foldCopy(model);
    expect(opTypes(folded)).toEqual(["MatMul", "Add"]);
    expect(report.counts).toEqual(countsOf({ affine: 1 }));
    expect(floats(folded, "bias")).toEqual(floats(model, "bias").map((value, i) => Math.fround(value * (i + 1))));
    expect(t.model.graph.nodes).toEqual([]);
  });
});

describe("refusals", () => {
  const cases: Record<string, [Build, RegExp]> = {
    "a constant along another axis": [
      (t) => op(t, "Mul", conv(t, image(t)), constant(t, [3])),
      /its constant \[3\] does not run along channels/,
    ],
    "a constant along two axes": [
      (t) => op(t, "Add", conv(t, image(t)), constant(t, [4, 3, 1])),
      /its constant \[4, 3, 1\] does not run along channels/,
    ],
    "a constant that broadcasts one channel to five": [
      (t) => op(t, "Mul", conv(t, image(t), [1, 3, 3, 3]), constant(t, [5, 1, 1])),
      /it has 5 channels, the layer 1/,
    ],
    "a constant of higher rank": [
      (t) => op(t, "Mul", conv(t, image(t)), constant(t, [1, 1, 4, 1, 1])),
      /the rank of its input is not known to be 5/,
    ],
    "a constant of rank 2 behind a MatMul of unknown rank": [
      (t) =>
        op(
          t,
          "Mul",
          t.builder.node("MatMul", [t.builder.node("Squeeze", [t.builder.input("x", [1, 3])]), t.random([3, 4])]),
          constant(t, [1, 4]),
        ),
      /the rank of its input is not known to be 2/,
    ],
    "a constant that would enlarge the data before the layer": [
      (t) => conv(t, op(t, "Mul", t.builder.input("x", ["N", 1, 5, 5]), constant(t, [3, 1, 1]))),
      /its input is not known to have 3 channels/,
    ],
    "a constant that would raise the rank before the layer": [
      (t) => conv(t, op(t, "Mul", t.builder.input("x", [3, 5, 5]), constant(t, [1, 3, 1, 1]))),
      /the rank of its input is not known to be 4/,
    ],
    "a shift in front of padding": [
      (t) => conv(t, op(t, "Add", image(t), constant(t, [])), [4, 3, 3, 3], { pads: ints([1, 1, 1, 1]) }),
      /Conv pads with zeros/,
    ],
    "division of a constant": [
      (t) => op(t, "Div", constant(t, [4, 1, 1]), conv(t, image(t))),
      /it divides a constant by its input/,
    ],
    "division by zero": [
      (t) => op(t, "Div", conv(t, image(t)), t.builder.constant(Tensor.float32([4, 1, 1], [1, 0, 1, 1]))),
      /it divides by zero/,
    ],
    "a value read twice": [
      (t) => {
        const value = conv(t, image(t));
        return t.builder.node("Add", [op(t, "Mul", value, constant(t, [])), value]);
      },
      /has several consumers/,
    ],
    "used as a weight": [
      (t) => {
        const x = t.builder.input("x", [3, 3, 5, 5]);
        return t.builder.node("Conv", [t.builder.input("y", [1, 3, 9, 9]), op(t, "Mul", x, constant(t, []))]);
      },
      /Conv: its weight "op_output" is computed by the graph/,
    ],
  };
  test.each(Object.entries(cases))("%s", async (_, [build, reason]) => {
    await expectRefused(modelOf(build), "op", reason);
  });

  test("an overflow", async () => {
    const model = modelOf((t) => op(t, "Mul", conv(t, image(t)), t.builder.constant(3e38)));
    model.graph.initializers.set("weight", Tensor.float32([4, 3, 3, 3], new Float32Array(108).fill(1e3)));
    await expectRefused(model, "op", /the folded parameters of Conv would not be finite/);
  });

  test("a bias that raises the rank stays an Add, and nothing goes into it", async () => {
    const model = modelOf((t) => {
      const product = t.builder.node("MatMul", [t.builder.input("x", [3]), t.random([3, 4])]);
      const raised = t.builder.node("Add", [product, constant(t, [1, 4])], {}, { name: "add" });
      return op(t, "Mul", raised, constant(t, []));
    });
    await expectRefused(model, "add", /the rank of its input is not known to be 2/);
  });

  test("constants far from any layer are not reported", async () => {
    const model = modelOf((t) => op(t, "Mul", t.builder.node("Relu", [image(t)]), constant(t, [])));
    const { report } = await foldCopy(model);
    expect(report).toMatchObject({ modified: false, skipped: [] });
  });

  test("two values that are both computed are left alone", async () => {
    const model = modelOf((t) => {
      const x = image(t);
      return t.builder.node("Add", [conv(t, x, [3, 3, 1, 1]), x]);
    });
    const { report } = await foldCopy(model);
    expect(report).toMatchObject({ modified: false, skipped: [] });
  });
});
