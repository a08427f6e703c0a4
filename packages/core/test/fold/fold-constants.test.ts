import { describe, expect, test } from "vitest";
import { type TestModel, testModel } from "../helpers/build.js";
import {
  type Attribute,
  createNode,
  float,
  type Graph,
  int,
  ints,
  type Model,
  string,
  Tensor,
  tensor,
} from "./core.js";
import { countsOf, expectFolded, expectRefused, expectSameFunction, floats, foldCopy, opTypes } from "./helpers.js";

function modelOf(build: (t: TestModel) => string | string[], opset = 17): Model {
  const t = testModel(21, opset);
  const outputs = build(t);
  for (const output of typeof outputs === "string" ? [outputs] : outputs) t.builder.output(output);
  return t.model;
}

const constantNode = (t: TestModel, attributes: Record<string, Attribute>) =>
  t.builder.node("Constant", [], attributes, { name: "const" });
const NO_RUNNER = {};

describe("Constant nodes, without a runner", () => {
  test.each<[string, Record<string, Attribute>, string, number[], number[]]>([
    ["value", { value: tensor(Tensor.float32([2], [1.5, -2])) }, "float32", [2], [1.5, -2]],
    ["value_float", { value_float: float(0.25) }, "float32", [], [0.25]],
    ["value_floats", { value_floats: { type: "floats", value: [1, 2, 3] } }, "float32", [3], [1, 2, 3]],
    ["value_int", { value_int: int(-7) }, "int64", [], [-7]],
    ["value_ints", { value_ints: ints([4, 5]) }, "int64", [2], [4, 5]],
  ])("%s", async (_, attributes, dtype, dims, values) => {
    const model = modelOf((t) => {
      const x = t.builder.input("x", ["N", 3]);
      const cast = t.builder.node("Cast", [constantNode(t, attributes)], { to: int(1) });
      return t.builder.node("Add", [x, t.builder.node("ReduceSum", [cast], { keepdims: int(0) })]);
    });
    const { model: folded, report } = await foldCopy(model, { kinds: ["constants"] }, NO_RUNNER);
    const value = folded.graph.initializers.get("const_output")!;
    expect([value.dtype, value.dims, value.numbers()]).toEqual([dtype, dims, values]);
    expect(report.counts).toEqual(countsOf({ constants: 1 }));
    await expectSameFunction(model, await foldCopy(model));
  });

  test("the limits of int64, which are no exact doubles", async () => {
    const model = modelOf((t) => {
      const starts = constantNode(t, { value_ints: ints([0]) });
      const ends = constantNode(t, { value_ints: ints([2 ** 63]) });
      const axes = constantNode(t, { value_ints: ints([1]) });
      return t.builder.node("Slice", [t.builder.input("x", ["N", 4]), starts, ends, axes]);
    });
    const { model: folded } = await expectFolded(model, {}, NO_RUNNER);
    const ends = folded.graph.initializers.get(folded.graph.nodes[0]!.inputs[2]!)!;
    expect(ends.array()).toEqual(BigInt64Array.of(2n ** 63n - 1n));
  });

  test("text, and what is a graph output, stay nodes", async () => {
    const text = modelOf((t) => {
      t.model.graph.outputs.push({ name: "text", dtype: "string", shape: [] });
      t.model.graph.nodes.push(
        createNode({
          opType: "Constant",
          name: "const",
          inputs: [],
          outputs: ["text"],
          attributes: { value_string: string("a") },
        }),
      );
      return t.builder.node("Relu", [t.builder.input("x", [1])]);
    });
    await expectRefused(text, "const", /it holds text/);
    const output = modelOf((t) => [
      constantNode(t, { value_float: float(1) }),
      t.builder.node("Relu", [t.builder.input("x", [1])]),
    ]);
    await expectRefused(output, "const", /its output "const_output" is a graph output/);
  });
});

describe("shapes", () => {
  const reshaped = (shape: (t: TestModel, x: string) => string, dims: readonly (number | string)[] = [2, 6]) =>
    modelOf((t) => {
      const x = t.builder.input("x", dims);
      return t.builder.node("Reshape", [t.builder.node("Relu", [x]), shape(t, x)]);
    });

  test("Shape of a graph input of declared size, without a runner", async () => {
    const { model } = await expectFolded(
      reshaped((t, x) => t.builder.node("Shape", [x])),
      { kinds: ["constants"] },
      NO_RUNNER,
    );
    expect(opTypes(model)).toEqual(["Relu", "Reshape"]);
    expect(floats(model, "Shape_output")).toEqual([2, 6]);
  });

  test.each([
    [{ start: int(1) }, [6, 2]],
    [{ start: int(-1), end: int(9) }, [2]],
    [{ end: int(-1) }, [3, 6]],
    [{ start: int(5) }, []],
  ])("start and end %j", async (attributes, expected) => {
    const model = modelOf((t) => {
      const x = t.builder.input("x", [3, 6, 2]);
      const shape = t.builder.node("Shape", [x], attributes as Record<string, Attribute>);
      return [t.builder.node("Cast", [shape], { to: int(1) }), t.builder.node("Relu", [x])];
    });
    const { model: folded } = await foldCopy(model, {}, NO_RUNNER);
    expect(floats(folded, "Shape_output")).toEqual(expected);
    await expectSameFunction(model, await foldCopy(model));
  });

  test("Size, and Shape of an initializer", async () => {
    const model = modelOf((t) => {
      const toFloat = (value: string) => t.builder.node("Cast", [value], { to: int(1) });
      const size = toFloat(t.builder.node("Size", [t.random([3, 4])]));
      const shape = toFloat(t.builder.node("Shape", [t.random([1, 2])]));
      const total = t.builder.node("Add", [size, t.builder.input("x", ["N", 2])]);
      return t.builder.node("Sub", [total, shape]);
    });
    const { model: folded } = await expectFolded(model);
    expect(opTypes(folded)).toEqual(["Add", "Sub"]);
    expect([...folded.graph.initializers.values()].map((value) => value.numbers())).toEqual([[12], [1, 2]]);
  });

  test("Shape of a dynamic value is never folded, not even where value_info claims sizes", async () => {
    const model = reshaped((t, x) => t.builder.node("Shape", [x]), ["N", 6]);
    expect((await foldCopy(model)).report).toMatchObject({ modified: false, skipped: [] });
    const inner = modelOf((t) => {
      const relu = t.builder.node("Relu", [t.builder.input("x", ["N", 6])]);
      t.model.graph.valueInfos.set(relu, { name: relu, dtype: "float32", shape: [1, 6] });
      return t.builder.node("Reshape", [relu, t.builder.node("Shape", [relu])]);
    });
    expect((await foldCopy(inner)).report.modified).toBe(false);
  });
});

/** The amount of padding as torch.onnx.export writes it: reversed pairs, through ConstantOfShape … Cast. */
function torchPad(t: TestModel, x: string): string {
  const one = (values: number[]) => t.builder.constant(Tensor.int64([values.length], values));
  const zeros = t.builder.node("ConstantOfShape", [one([2])], { value: tensor(Tensor.int64([1], [0])) });
  const flat = t.builder.node("Concat", [one([0, 0, 0, 0, 4, 4]), zeros], { axis: int(0) });
  const pairs = t.builder.node("Reshape", [flat, one([-1, 2])]);
  const reversed = t.builder.node("Slice", [pairs, one([-1]), one([-(2 ** 53)]), one([0]), one([-1])]);
  const amounts = t.builder.node("Reshape", [
    t.builder.node("Transpose", [reversed], { perm: ints([1, 0]) }),
    one([-1]),
  ]);
  return t.builder.node("Pad", [x, t.builder.node("Cast", [amounts], { to: int(7) })], {}, { name: "pad" });
}

describe("computed by running", () => {
  test("the padding amount of a torch export", async () => {
    const { model, report } = await expectFolded(modelOf((t) => torchPad(t, t.builder.input("x", ["N", 3, 4, 4]))));
    expect(opTypes(model)).toEqual(["Pad"]);
    expect(report.counts).toEqual(countsOf({ constants: 7 }));
    expect(floats(model, model.graph.nodes[0]!.inputs[1]!)).toEqual([0, 4, 0, 0, 0, 4, 0, 0]);
    expect(model.graph.initializers.size).toBe(1);
  });

  test("what several nodes read, and a node with several outputs, of which one is used", async () => {
    const model = modelOf((t) => {
      const x = t.builder.input("x", ["N", 2]);
      const parts = t.builder.nodes("Split", [t.random([4, 2])], { axis: int(0) }, { outputs: 2 }).outputs;
      const root = t.builder.node("Abs", [t.builder.node("Exp", [parts[0]!])]);
      const product = t.builder.node("MatMul", [x, root]);
      return [product, t.builder.node("MatMul", [product, t.builder.node("Neg", [root])])];
    });
    const { model: folded } = await expectFolded(model);
    expect(opTypes(folded)).toEqual(["MatMul", "MatMul"]);
    expect(folded.graph.initializers.size).toBe(2);
  });

  test("int64, bool and float64 results come back in their type", async () => {
    const model = modelOf((t) => {
      const x = t.builder.input("x", [2, 2]);
      const flags = t.builder.node("Greater", [t.random([2, 2]), t.builder.constant(0)]);
      const double = t.builder.node("Cast", [t.random([1])], { to: int(11) });
      const sum = t.builder.node(
        "Cast",
        [t.builder.node("Add", [double, t.builder.node("Cast", [x], { to: int(11) })])],
        { to: int(1) },
      );
      return t.builder.node("Where", [flags, x, sum]);
    });
    const { model: folded } = await expectFolded(model);
    expect(opTypes(folded)).toEqual(["Cast", "Add", "Cast", "Where"]);
    expect([...folded.graph.initializers.values()].map(({ dtype }) => dtype).sort()).toEqual(["bool", "float64"]);
  });

  test("Identity of a constant, also in front of a layer, without a runner", async () => {
    const model = modelOf((t) => {
      const weight = t.builder.node("Identity", [t.builder.node("Identity", [t.random([3, 4], "w")])]);
      return t.builder.node("MatMul", [t.builder.input("x", ["N", 3]), weight]);
    });
    const { model: folded, report } = await expectFolded(model, {}, NO_RUNNER);
    expect(folded.graph.nodes[0]!.inputs).toEqual(["x", "w"]);
    expect(report.counts).toEqual(countsOf({ constants: 2 }));
  });

  test("a graph output stays made by a node, and what depends on it is folded", async () => {
    const model = modelOf((t) => {
      const shared = t.builder.node("Exp", [t.builder.node("Neg", [t.random([2])])], {}, { name: "exp" });
      const scale = t.builder.node("Abs", [shared]);
      return [shared, t.builder.node("Mul", [t.builder.node("Relu", [t.builder.input("x", [2])]), scale])];
    });
    const { model: folded, report } = await foldCopy(model);
    expect(opTypes(folded)).toEqual(["Exp", "Relu", "Mul"]);
    expect(report.skipped).toEqual([
      { node: "exp", opType: "Exp", reason: 'its output "exp_output" is a graph output' },
    ]);
    await expectSameFunction(model, await foldCopy(model));
  });
});

describe("subgraphs", () => {
  /** If with a branch that computes from a captured constant, an own constant, and a captured value. */
  function conditional(): Model {
    const t = testModel(6);
    const x = t.builder.input("x", ["N", 3]);
    const condition = t.builder.input("c", [], "bool");
    const captured = t.builder.node("Exp", [t.random([3], "w")], {}, { name: "outer" });
    const branch = (name: string, opType: string): Graph => ({
      name,
      nodes: [
        createNode({
          opType: "Constant",
          inputs: [],
          outputs: [`${name}.c`],
          attributes: { value_floats: { type: "floats", value: [1, 2, 3] } },
        }),
        createNode({ opType: "Mul", name: `${name}.mul`, inputs: [captured, `${name}.c`], outputs: [`${name}.m`] }),
        createNode({ opType, inputs: [x, `${name}.m`], outputs: [`${name}.y`] }),
      ],
      inputs: [],
      outputs: [{ name: `${name}.y`, dtype: "float32", shape: undefined }],
      initializers: new Map(),
      valueInfos: new Map(),
    });
    const result = t.builder.node("If", [condition], {
      then_branch: { type: "graph", value: branch("then", "Add") },
      else_branch: { type: "graph", value: branch("else", "Sub") },
    });
    t.builder.output(result);
    return t.model;
  }

  test("constants inside, from inside and outside", async () => {
    const { model, report } = await expectFolded(conditional());
    expect(opTypes(model)).toEqual(["If"]);
    const inner = [...model.graph.nodes[0]!.attributes.values()].map(({ value }) => value as Graph);
    expect(inner.map((graph) => graph.nodes.map(({ opType }) => opType))).toEqual([["Add"], ["Sub"]]);
    expect(report.counts).toEqual(countsOf({ constants: 5 }));
    expect(model.graph.initializers.size).toBe(0);
  });

  test("a captured value becomes an initializer that the subgraph still finds", async () => {
    const { model } = await expectFolded(conditional(), { kinds: ["constants"], maxGrowthBytes: 0 });
    expect(model.graph.nodes).toHaveLength(1);
  });

  test("an If over constants only is computed as a whole", async () => {
    const t = testModel(6);
    const yes = t.builder.constant(Tensor.of("bool", [], Uint8Array.of(1)));
    const value = t.random([3], "w");
    const branch = (name: string, opType: string): Attribute => ({
      type: "graph",
      value: {
        name,
        nodes: [createNode({ opType, inputs: [value], outputs: [`${name}.y`] })],
        inputs: [],
        outputs: [{ name: `${name}.y`, dtype: "float32", shape: undefined }],
        initializers: new Map(),
        valueInfos: new Map(),
      },
    });
    const result = t.builder.node("If", [yes], { then_branch: branch("a", "Exp"), else_branch: branch("b", "Neg") });
    t.builder.output(t.builder.node("Add", [t.builder.node("Relu", [t.builder.input("x", [3])]), result]));
    const { model } = await expectFolded(t.model);
    expect(opTypes(model)).toEqual(["Relu", "Add"]);
    expect(floats(model, result)).toEqual(floats(t.model, "w").map((w) => expect.closeTo(Math.exp(w), 5)));
  });

  test("a branch whose output is a constant keeps the node", async () => {
    const t = testModel(6);
    const branch = (name: string, value: number): Attribute => ({
      type: "graph",
      value: {
        name,
        nodes: [
          createNode({
            opType: "Constant",
            name,
            inputs: [],
            outputs: [`${name}.y`],
            attributes: { value_float: float(value) },
          }),
        ],
        inputs: [],
        outputs: [{ name: `${name}.y`, dtype: "float32", shape: undefined }],
        initializers: new Map(),
        valueInfos: new Map(),
      },
    });
    t.builder.output(
      t.builder.node("If", [t.builder.input("c", [], "bool")], {
        then_branch: branch("a", 1),
        else_branch: branch("b", 2),
      }),
    );
    await expectRefused(t.model, "a", /its output "a.y" is a graph output/);
  });
});
