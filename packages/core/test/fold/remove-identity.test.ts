import { describe, expect, test } from "vitest";
import { type TestModel, testModel } from "../helpers/build.js";
import { createNode, type Graph, int, ints, type Model, Tensor } from "./core.js";
import { countsOf, expectFolded, expectRefused, foldCopy, opTypes } from "./helpers.js";

type Build = (t: TestModel, x: string) => string;

/** input [N, 3, 4] → Relu → what is built → Sigmoid → output. */
function between(build: Build, opset = 17): Model {
  const t = testModel(31, opset);
  const x = t.builder.node("Relu", [t.builder.input("x", ["N", 3, 4])]);
  t.builder.output(t.builder.node("Sigmoid", [build(t, x)]));
  return t.model;
}

const all = (t: TestModel, value: number, dims: number[]) =>
  t.builder.constant(Tensor.float32(dims, new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(value)));
const shape = (t: TestModel, values: number[]) => t.builder.constant(Tensor.int64([values.length], values));
const no = (t: TestModel) => t.builder.constant(Tensor.of("bool", [], Uint8Array.of(0)));
const op = (t: TestModel, opType: string, ...inputs: string[]) => t.builder.node(opType, inputs, {}, { name: "op" });

describe("removed", () => {
  const cases: Record<string, Build> = {
    Identity: (t, x) => op(t, "Identity", x),
    "Identity twice": (t, x) => op(t, "Identity", op(t, "Identity", x)),
    Dropout: (t, x) => op(t, "Dropout", x, t.builder.constant(0.4)),
    "Dropout that says it does not train": (t, x) => op(t, "Dropout", x, t.builder.constant(0.4), no(t)),
    "Dropout with a mask that nobody reads": (t, x) => t.builder.nodes("Dropout", [x], {}, { outputs: 2 }).outputs[0]!,
    "Cast to the same type": (t, x) => t.builder.node("Cast", [x], { to: int(1) }),
    "Reshape with zeros": (t, x) => op(t, "Reshape", x, shape(t, [0, 0, 0])),
    "Reshape with −1 and the known sizes": (t, x) => op(t, "Reshape", x, shape(t, [-1, 3, 4])),
    "Transpose in order": (t, x) => t.builder.node("Transpose", [x], { perm: ints([0, 1, 2]) }),
    "Pad by nothing": (t, x) => op(t, "Pad", x, shape(t, [0, 0, 0, 0, 0, 0])),
    "Concat of one": (t, x) => t.builder.node("Concat", [x], { axis: int(1) }),
    "Sum of one": (t, x) => op(t, "Sum", x),
    "Mul by 1": (t, x) => op(t, "Mul", x, t.builder.constant(1)),
    "1 times the value": (t, x) => op(t, "Mul", t.builder.constant(1), x),
    "Mul by ones of the last axis": (t, x) => op(t, "Mul", x, all(t, 1, [4])),
    "Div by [1, 1, 1]": (t, x) => op(t, "Div", x, all(t, 1, [1, 1, 1])),
    "Add of 0": (t, x) => op(t, "Add", x, t.builder.constant(0)),
    "0 plus the value": (t, x) => op(t, "Add", all(t, 0, [3, 1]), x),
    "Sub of 0": (t, x) => op(t, "Sub", x, all(t, 0, [1])),
  };
  test.each(Object.entries(cases))("%s", async (name, build) => {
    const { model, report } = await expectFolded(between(build), { kinds: ["identities"] }, {});
    expect(opTypes(model)).toEqual(["Relu", "Sigmoid"]);
    expect(report.counts).toEqual(countsOf({ identities: name === "Identity twice" ? 2 : 1 }));
    expect(model.graph.initializers.size).toBe(0);
  });

  test("old opsets: Dropout with an attribute, Pad with attributes", async () => {
    const model = between((t, x) => {
      const dropped = t.builder.node("Dropout", [x], { ratio: { type: "float", value: 0.5 } });
      return t.builder.node("Pad", [dropped], { pads: ints([0, 0, 0, 0, 0, 0]) });
    }, 9);
    const { model: folded } = await expectFolded(model);
    expect(opTypes(folded)).toEqual(["Relu", "Sigmoid"]);
  });

  test("Cast of a computed integer", async () => {
    const model = between((t, x) => {
      const indices = t.builder.node("ArgMax", [x], { axis: int(1), keepdims: int(0) });
      const cast = t.builder.node("Cast", [indices], { to: int(7) });
      return t.builder.node("Cast", [cast], { to: int(1) });
    });
    const { model: folded } = await expectFolded(model);
    expect(opTypes(folded)).toEqual(["Relu", "ArgMax", "Cast", "Sigmoid"]);
  });
});

describe("value_info", () => {
  /** Reshape behind an operator whose shape is not inferred, with what the file claims of it. */
  const claimed = (target: number[]) =>
    between((t, x) => {
      const gathered = t.builder.node("Gather", [x, t.builder.constant(Tensor.int64([2], [0, 1]))], { axis: int(1) });
      t.model.graph.valueInfos.set(gathered, { name: gathered, dtype: "float32", shape: [1, 2, 4] });
      return op(t, "Reshape", gathered, shape(t, target));
    });

  test("its rank is believed", async () => {
    const { model } = await expectFolded(claimed([0, 0, -1]));
    expect(opTypes(model)).toEqual(["Relu", "Gather", "Sigmoid"]);
  });

  test("its sizes are not: the batch may have been made dynamic since", async () => {
    expect((await foldCopy(claimed([1, -1, 4]))).report).toMatchObject({ modified: false, skipped: [] });
  });
});

describe("names of graph outputs", () => {
  test("the producer takes the name of the output over; other readers follow", async () => {
    const t = testModel(1);
    const relu = t.builder.node("Relu", [t.builder.input("x", [2])]);
    const y = t.builder.node("Identity", [relu]);
    t.builder.output(y);
    t.builder.output(t.builder.node("Exp", [relu]));
    const { model } = await expectFolded(t.model);
    expect(opTypes(model)).toEqual(["Relu", "Exp"]);
    expect(model.graph.nodes[0]!.outputs).toEqual([y]);
    expect(model.graph.nodes[1]!.inputs).toEqual([y]);
  });

  test.each<[string, (t: TestModel) => void, RegExp]>([
    [
      "input to output",
      (t) => t.builder.output(op(t, "Identity", t.builder.input("x", [2]))),
      /connects graph output "op_output" to an input or a constant/,
    ],
    [
      "constant to output",
      (t) => t.builder.output(op(t, "Identity", t.random([2]))),
      /to an input or a constant|is a graph output/,
    ],
    [
      "output to output",
      (t) => {
        const relu = t.builder.node("Relu", [t.builder.input("x", [2])]);
        t.builder.output(relu);
        t.builder.output(op(t, "Identity", relu));
      },
      /its input and its output are both graph outputs/,
    ],
  ])("%s stays", async (_, build, reason) => {
    const t = testModel(1);
    build(t);
    await expectRefused(t.model, "op", reason, { kinds: ["identities"] });
  });
});

describe("kept", () => {
  test.each<[string, Build, RegExp]>([
    [
      "Dropout in training",
      (t, x) =>
        op(t, "Dropout", x, t.builder.constant(0.4), t.builder.constant(Tensor.of("bool", [], Uint8Array.of(1)))),
      /it is in training mode/,
    ],
    [
      "Dropout that may train",
      (t, x) => op(t, "Dropout", x, t.builder.constant(0.4), t.builder.input("train", [], "bool")),
      /it is in training mode/,
    ],
    [
      "Dropout whose mask is read",
      (t, x) => {
        const { outputs } = t.builder.nodes("Dropout", [x], {}, { outputs: 2, name: "op" });
        return t.builder.node("Where", [outputs[1]!, outputs[0]!, x]);
      },
      /its mask is read/,
    ],
  ])("%s, with a reason", async (_, build, reason) => {
    await expectRefused(between(build), "op", reason);
  });

  test.each<[string, Build]>([
    [
      "Cast to another type and back",
      (t, x) => t.builder.node("Cast", [t.builder.node("Cast", [x], { to: int(10) })], { to: int(1) }),
    ],
    ["Reshape to another rank", (t, x) => op(t, "Reshape", x, shape(t, [0, -1]))],
    ["Reshape to other sizes", (t, x) => op(t, "Reshape", x, shape(t, [0, 4, 3]))],
    ["Reshape with two unknown sizes of the same rank", (t, x) => op(t, "Reshape", x, shape(t, [1, -1, 4]))],
    ["Transpose", (t, x) => t.builder.node("Transpose", [x], { perm: ints([0, 2, 1]) })],
    ["Transpose without perm", (t, x) => op(t, "Transpose", x)],
    ["Pad by something", (t, x) => op(t, "Pad", x, shape(t, [0, 0, 1, 0, 0, 0]))],
    ["Mul by 1.0000001", (t, x) => op(t, "Mul", x, t.builder.constant(Math.fround(1.0000002)))],
    ["Mul by ones that enlarge the rank", (t, x) => op(t, "Mul", x, all(t, 1, [1, 1, 1, 1]))],
    ["Mul by ones that may enlarge the batch", (t, x) => op(t, "Mul", x, all(t, 1, [3, 3, 4]))],
    ["0 minus the value", (t, x) => op(t, "Sub", t.builder.constant(0), x)],
    ["1 divided by the value", (t, x) => op(t, "Div", t.builder.constant(1), x)],
    ["Max of two", (t, x) => op(t, "Max", x, t.builder.constant(0))],
  ])("%s, silently", async (_, build) => {
    const { report, before, after } = await foldCopy(between(build), { kinds: ["identities"] });
    expect(report).toMatchObject({ modified: false, skipped: [] });
    expect(Buffer.compare(before, after)).toBe(0);
  });
});

describe("subgraphs", () => {
  /** If whose branches read `value`, and return it as it is where `returned`. */
  function branches(t: TestModel, value: string): string {
    const graph = (name: string, opType: string): Graph => ({
      name,
      nodes: [
        createNode({ opType: "Identity", name: `${name}.id`, inputs: [value], outputs: [`${name}.i`] }),
        createNode({ opType, inputs: [`${name}.i`], outputs: [`${name}.y`] }),
      ],
      inputs: [],
      outputs: [{ name: `${name}.y`, dtype: "float32", shape: undefined }],
      initializers: new Map(),
      valueInfos: new Map(),
    });
    return t.builder.node("If", [t.builder.input("c", [], "bool")], {
      then_branch: { type: "graph", value: graph("a", "Neg") },
      else_branch: { type: "graph", value: graph("b", "Exp") },
    });
  }

  test("captured values are renamed inside, and Identity goes there too", async () => {
    const t = testModel(1);
    const relu = t.builder.node("Relu", [t.builder.input("x", [2])]);
    t.builder.output(branches(t, t.builder.node("Identity", [relu])));
    const { model, report } = await expectFolded(t.model);
    expect(opTypes(model)).toEqual(["Relu", "If"]);
    expect(report.counts).toEqual(countsOf({ identities: 3 }));
  });

  test("a captured value that is renamed because it becomes a graph output", async () => {
    const t = testModel(1);
    const relu = t.builder.node("Relu", [t.builder.input("x", [2])]);
    t.builder.output(t.builder.node("Identity", [relu], {}, { name: "final" }));
    t.builder.output(branches(t, relu));
    const { model } = await expectFolded(t.model);
    expect(model.graph.nodes[0]!.outputs).toEqual(["final_output"]);
  });
});
