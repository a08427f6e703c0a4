import { describe, expect, test } from "vitest";
import {
  assertValid,
  createGraph,
  createNode,
  type DType,
  float,
  GraphBuilder,
  type Model,
  parseModel,
  Tensor,
  tensor,
  validateModel,
} from "../../src/graph/index.js";
import { assertFiniteWeights, nonFiniteWeights } from "../../src/operators/finite-weights.js";
import { cpuMs } from "../helpers/cpu-time.js";
import { kitchenSink } from "./kitchen-sink.js";

/** x → Relu → y, ready to be broken. */
function small(): Model {
  const { model, builder } = GraphBuilder.model("small");
  builder.output(builder.node("Relu", [builder.input("x", [1])], {}, { name: "relu" }));
  return model;
}

const add = (model: Model, inputs: string[], outputs: string[], domain = "") =>
  model.graph.nodes.push(createNode({ opType: "Add", name: "extra", inputs, outputs, domain }));

describe("defects, each with its place", () => {
  const defects: [string, (model: Model) => unknown, RegExp][] = [
    [
      "a value made twice",
      (m) => add(m, ["x", "x"], ["relu_output"]),
      /"extra" \(Add\) makes value "relu_output", which another output makes too/,
    ],
    ["twice by one node", (m) => add(m, ["x", "x"], ["v", "v"]), /makes value "v"/],
    [
      "a missing input",
      (m) => add(m, ["x", "nobody"], ["v"]),
      /"extra" \(Add\) reads value "nobody", which nobody makes/,
    ],
    [
      "a value that is an initializer",
      (m) => {
        m.graph.initializers.set("v", Tensor.scalar(1));
        add(m, ["x", "x"], ["v"]);
      },
      /which is initializer too/,
    ],
    ["a value that is an input", (m) => add(m, ["x", "x"], ["x"]), /which is graph input too/],
    [
      "a cycle",
      (m) => {
        add(m, ["b", "x"], ["a"]);
        add(m, ["a", "x"], ["b"]);
      },
      /cycle through node "extra"/,
    ],
    ["an unknown output", (m) => m.graph.outputs.push({ name: "nobody" }), /output "nobody" is made by no node/],
    ["an output twice", (m) => m.graph.outputs.push(m.graph.outputs[0]!), /output "relu_output" is declared twice/],
    [
      "no output",
      (m) => {
        m.graph.outputs = [];
      },
      /no output/,
    ],
    ["an input twice", (m) => m.graph.inputs.push({ name: "x" }), /input "x" is declared twice/],
    ["an input without name", (m) => m.graph.inputs.push({ name: "" }), /an input has no name/],
    ["a domain without opset", (m) => add(m, ["x", "x"], ["v"], "custom"), /uses domain "custom", which has no opset/],
    [
      "no opset",
      (m) => {
        m.opsets.clear();
        m.graph.nodes = [];
        m.graph.outputs = [{ name: "x" }];
      },
      /no opset is declared/,
    ],
    ["a negative opset", (m) => m.opsets.set("", -3), /opset -3 of domain "ai.onnx"/],
    [
      "IR version 0",
      (m) => {
        m.irVersion = 0;
      },
      /IR version 0/,
    ],
    [
      "a node without type",
      (m) => {
        m.graph.nodes[0]!.opType = "";
      },
      /has no operator type/,
    ],
  ];
  test.each(defects)("%s", (_, breakIt, message) => {
    const model = small();
    expect(validateModel(model)).toEqual([]);
    breakIt(model);
    expect(
      validateModel(model)
        .map((issue) => issue.message)
        .join("\n"),
    ).toMatch(message);
    expect(() => assertValid(model)).toThrow(expect.objectContaining({ code: "E3003", hint: expect.any(String) }));
  });

  test("inside subgraphs, and outer values are visible there", () => {
    const model = small();
    const inner = createGraph("inner");
    inner.nodes.push(createNode({ opType: "Neg", inputs: ["relu_output"], outputs: ["n"] }));
    inner.outputs.push({ name: "n" });
    const attributes = { body: { type: "graph", value: inner } as const };
    model.graph.nodes.push(createNode({ opType: "Loop", name: "loop", inputs: [], outputs: ["l"], attributes }));
    expect(validateModel(model)).toEqual([]);
    inner.nodes[0]!.inputs = ["nowhere"];
    inner.nodes.push(createNode({ opType: "Neg", inputs: ["n"], outputs: ["n"] }));
    const found = validateModel(model)
      .map((issue) => issue.message)
      .join("\n");
    expect(found).toMatch(/reads value "nowhere"/);
    expect(found).toMatch(/makes value "n"/);
    expect(found).toMatch(/cycle/);
  });

  test("counts the others", () => {
    const model = small();
    add(model, ["a", "b"], ["v"]);
    expect(() => assertValid(model)).toThrow(/reads value "a", which nobody makes \(and 1 more\)$/);
  });

  test("thousands of subgraphs in a large graph take no longer than their number", () => {
    const model = small();
    for (let i = 0; i < 8000; i++) {
      const inner = createGraph("inner");
      inner.nodes.push(createNode({ opType: "Neg", inputs: ["x"], outputs: ["n"] }));
      inner.outputs.push({ name: "n" });
      const attributes = { body: { type: "graph", value: inner } as const };
      model.graph.nodes.push(createNode({ opType: "Loop", inputs: [], outputs: [`l${i}`], attributes }));
    }
    // With every subgraph looking through all values around it this would be 10 s.
    expect(cpuMs(() => expect(validateModel(model)).toEqual([]))).toBeLessThan(2500);
  });

  test("sparse initializers are values", () => {
    const model = parseModel(kitchenSink());
    add(model, ["sparse_weight", "x"], ["v"]);
    expect(validateModel(model)).toEqual([]);
    add(model, ["x", "x"], ["sparse_weight"]);
    expect(validateModel(model)[0]?.message).toMatch(/which is initializer too/);
  });
});

describe("weights that are not finite", () => {
  const withWeight = (
    opType: string,
    dtype: DType,
    data: Float32Array | Float64Array | Uint16Array,
    dims: number[],
  ): Model => {
    const { model, builder } = GraphBuilder.model("weights");
    const weight = builder.constant(Tensor.of(dtype, dims, data), "weight");
    builder.output(builder.node(opType, [builder.input("x", [1, dims[0]!]), weight]));
    return model;
  };

  test("NaN is E3006 with tensor, position and count", () => {
    const model = withWeight("MatMul", "float32", new Float32Array([1, 2, 3, NaN, 5, NaN]), [2, 3]);
    expect(nonFiniteWeights(model)).toEqual([
      { tensor: "weight", index: 3, position: [1, 0], value: Number.NaN, count: 2 },
    ]);
    expect(() => assertFiniteWeights(model)).toThrow(
      expect.objectContaining({
        code: "E3006",
        message: 'weights: "weight" holds NaN at [1, 0] (2 values of it are not finite)',
        details: expect.objectContaining({ tensor: "weight", index: 3, actual: "NaN", hint: expect.any(String) }),
      }),
    );
  });

  test("infinity counts in weights, not in masks and bounds", () => {
    const data = new Float32Array([1, -Infinity]);
    expect(nonFiniteWeights(withWeight("MatMul", "float32", data, [2, 1]))[0]?.value).toBe(-Infinity);
    expect(nonFiniteWeights(withWeight("Add", "float32", data, [2, 1]))).toEqual([]);
    expect(nonFiniteWeights(withWeight("Clip", "float32", new Float32Array([Infinity]), [1]))).toEqual([]);
    expect(nonFiniteWeights(withWeight("Add", "float32", new Float32Array([NaN]), [1]))).toHaveLength(1);
  });

  test.each<[DType, Float64Array | Uint16Array, number[]]>([
    ["float64", new Float64Array([1, Infinity, 0]), [Infinity]],
    // 0x7bff is the largest half, 0x7c00 infinity, 0xfc01 a NaN.
    ["float16", new Uint16Array([0x7bff, 0xfc01, 0x7c00]), [Number.NaN]],
    ["float16", new Uint16Array([0x7bff, 0xfc00, 0x3c00]), [-Infinity]],
    ["bfloat16", new Uint16Array([0x7f7f, 0x7f80, 0x3f80]), [Infinity]],
    ["float16", new Uint16Array([0, 0x8000, 0xfbff]), []],
  ])("%s", (dtype, data, expected) => {
    const found = nonFiniteWeights(withWeight("MatMul", dtype, data, [3, 1]));
    expect(found.map(({ value }) => value)).toEqual(expected);
  });

  test("in Constant nodes, subgraphs, and weights that a subgraph captures", () => {
    const model = small();
    const bad = Tensor.float32([1, 1], [Infinity]);
    model.graph.nodes.push(
      createNode({ opType: "Constant", inputs: [], outputs: ["c"], attributes: { value: tensor(bad) } }),
    );
    model.graph.initializers.set("w", bad);
    const inner = createGraph("inner");
    inner.initializers.set("v", Tensor.float32([1, 1], [NaN]));
    for (const weight of ["c", "w", "v"]) {
      inner.nodes.push(createNode({ opType: "MatMul", inputs: ["x", weight], outputs: [`${weight}_out`] }));
    }
    const attributes = { body: { type: "graph", value: inner } as const, limit: float(1) };
    model.graph.nodes.push(createNode({ opType: "Loop", inputs: [], outputs: ["l"], attributes }));
    expect(
      nonFiniteWeights(model)
        .map((found) => found.tensor)
        .sort(),
    ).toEqual(["c", "v", "w"]);
    expect(() => assertFiniteWeights(model)).toThrow(/and 2 more tensors/);
  });

  test("nothing to say about a sound model", () => {
    expect(nonFiniteWeights(withWeight("MatMul", "float32", new Float32Array([1, 3.4e38]), [2, 1]))).toEqual([]);
    expect(() => assertFiniteWeights(small())).not.toThrow();
  });
});
