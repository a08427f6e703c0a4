import { describe, expect, test } from "vitest";
import { applyForms, toFloat16 } from "../../src/forms/index.js";
import { cloneModel, GraphBuilder, int, type Model, Tensor, tensor } from "../../src/graph/index.js";
import { formed, matmulModel, normals, outputOf, sqnrDb } from "./helpers.js";

const bytesOf = (model: Model) =>
  [...model.graph.initializers.values()].reduce((sum, { byteLength = 0 }) => sum + byteLength, 0);

describe("toFloat16", () => {
  test("half the bytes, inputs and outputs as they were", async () => {
    const { model, feeds } = matmulModel();
    const half = cloneModel(model);
    expect(toFloat16(half)).toEqual({ cut: [] });
    expect(bytesOf(half)).toBe(bytesOf(model) / 2);
    expect(half.graph.inputs).toEqual(model.graph.inputs);
    expect(half.graph.outputs).toEqual(model.graph.outputs);
    expect(sqnrDb(await outputOf(model, feeds), await outputOf(half, feeds))).toBeGreaterThan(55);
  });

  test("inputs and outputs too, where asked", () => {
    const { model } = matmulModel();
    toFloat16(model, { keepInputsOutputs: false });
    expect([...model.graph.inputs, ...model.graph.outputs].map(({ dtype }) => dtype)).toEqual(["float16", "float16"]);
    expect(model.graph.nodes.map(({ opType }) => opType)).toEqual(["MatMul"]);
  });

  test("casts, made constants, sizes of a Resize and numbers beyond the range", async () => {
    const { model, builder } = GraphBuilder.model("mixed");
    const x = builder.input("x", [1, 1, 4, 4]);
    const mask = builder.input("mask", [1, 1, 1, 8], "int64");
    const scales = builder.constant(Tensor.float32([4], [1, 1, 2, 2]), "scales");
    const resized = builder.node("Resize", [x, "", scales], { mode: { type: "string", value: "nearest" } });
    const shape = builder.constant(Tensor.int64([4], [1, 1, 1, 8]), "shape");
    const ones = builder.node("ConstantOfShape", [shape], { value: tensor(Tensor.float32([1], [1])) });
    const off = builder.node("Sub", [ones, builder.node("Cast", [mask], { to: int(1) })]);
    const shut = builder.node("Mul", [off, builder.constant(Tensor.scalar(-3.4028234663852886e38), "lowest")]);
    const tiny = builder.node("Div", [off, builder.constant(Tensor.scalar(1e-12), "epsilon")]);
    const zero = builder.node("Mul", [
      tiny,
      builder.node("Constant", [], { value_float: { type: "float", value: 0 } }),
    ]);
    builder.output(
      builder.node("Softmax", [builder.node("Add", [builder.node("Add", [resized, shut]), zero])]),
      "float32",
    );
    const feeds = {
      x: { dtype: "float32", dims: [1, 1, 4, 4], data: normals(16, 1) },
      mask: { dtype: "int64", dims: [1, 1, 1, 8], data: BigInt64Array.from([1n, 1n, 1n, 0n, 1n, 0n, 0n, 1n]) },
    } as const;
    const reference = await outputOf(model, feeds);
    expect(toFloat16(model)).toEqual({ cut: ["lowest"] });
    expect(sqnrDb(reference, await outputOf(model, feeds))).toBeGreaterThan(50);
  });

  test("bodies of If, with what they read from outside", async () => {
    const { model, builder } = GraphBuilder.model("branch");
    const x = builder.input("x", ["N", 4]);
    const which = builder.input("which", [], "bool");
    builder.constant(Tensor.float32([4], [1, 2, 3, 4]), "outer");
    const branch = (opType: string) => {
      const { builder: body } = GraphBuilder.model(opType);
      body.output(body.node(opType, [x, "outer"], {}, { name: `${opType}_inside` }), "float32");
      return { type: "graph", value: body.graph } as const;
    };
    builder.output(builder.node("If", [which], { then_branch: branch("Add"), else_branch: branch("Mul") }), "float32");
    for (const choice of [0, 1]) {
      const half = cloneModel(model);
      toFloat16(half);
      const feeds = {
        x: { dtype: "float32", dims: [1, 4], data: normals(4, 9) },
        which: { dtype: "bool", dims: [], data: Uint8Array.of(choice) },
      } as const;
      expect(sqnrDb(await outputOf(model, feeds), await outputOf(half, feeds))).toBeGreaterThan(55);
    }
  });

  test.each(["blocks-4", "dynamic-int8"] as const)(
    "after %s: its float parts follow, its integers stay",
    async (form) => {
      const { model, feeds } = matmulModel();
      const rules = [{ match: "*", form }] as const;
      const { output, model: small } = await formed(model, rules, feeds);
      const before = bytesOf(small);
      toFloat16(small);
      expect(bytesOf(small)).toBeLessThan(before);
      expect(sqnrDb(output, await outputOf(small, feeds))).toBeGreaterThan(form === "blocks-4" ? 50 : 35);
    },
  );

  test("nodes that stay in float32", async () => {
    const { model, feeds } = matmulModel();
    const node = model.graph.nodes[0]!;
    toFloat16(model, { float32Nodes: new Map([[node, { inputs: [0, 1], outputs: [0] }]]) });
    expect([...model.graph.initializers.values()].map(({ dtype }) => dtype)).toContain("float32");
    expect((await outputOf(model, feeds)).length).toBe(144);
    expect((await applyForms({ rules: [{ match: "*", form: "float32" }] })(model, {})).modified).toBe(false);
  });
});
