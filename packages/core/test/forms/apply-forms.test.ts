import { describe, expect, test } from "vitest";
import { applyForms, FORMS, type FormName, type FormRule } from "../../src/forms/index.js";
import { GraphBuilder, int, type Model, Tensor } from "../../src/graph/index.js";
import { formed, matmulModel, normals, outputOf, product, sqnrDb } from "./helpers.js";

const all = (form: FormName, more: Partial<FormRule> = {}): FormRule[] => [{ match: "*", form, ...more }];
const opTypes = (model: Model) => model.graph.nodes.map(({ opType }) => opType);

describe("layers in blocks", () => {
  const cases: [FormName, Partial<FormRule>, number][] = [
    ["blocks-8", { width: 16 }, 40],
    ["blocks-8", { width: 128, asymmetric: true }, 40],
    ["blocks-8", { width: 32, accuracyLevel: 4 }, 35],
    ["blocks-4", { width: 16 }, 19],
    ["blocks-4", { width: 32, asymmetric: true }, 19],
    ["blocks-4", { width: 256 }, 15],
    ["nf4", { width: 64 }, 18],
  ];
  test.each(cases)("%s %j computes what its integers say", async (form, more, least) => {
    // Neither a multiple of the width nor an even number of blocks.
    const { model, feeds, weights } = matmulModel({ inputs: 300, outputs: 20, seed: 7 });
    const { output, report, model: small } = await formed(model, all(form, more), feeds);
    expect(report.layers).toEqual([{ node: "dense", opType: "MatMul", form, bytes: 24_000 }]);
    expect(sqnrDb(product(feeds.x!.data as Float32Array, weights, 300, 20), output)).toBeGreaterThan(least);
    const bytes = [...small.graph.initializers.values()].reduce((sum, { byteLength = 0 }) => sum + byteLength, 0);
    expect(bytes).toBeLessThan((24_000 / 32) * FORMS[form].bits * 2);
    expect(small.graph.initializers.has("W")).toBe(false);
  });

  test.each(["standard-blocks-8", "standard-blocks-4"] as const)("%s is the same as the kernel", async (form) => {
    const { model, feeds } = matmulModel({ inputs: 64, opset: 21 });
    const standard = await formed(model, all(form, { asymmetric: true }), feeds);
    const kernel = await formed(model, all(form.slice(9) as FormName, { asymmetric: true }), feeds);
    expect(opTypes(standard.model)).toEqual(["DequantizeLinear", "MatMul"]);
    // ONNX Runtime makes the kernel of the two operators, which may round its input to 8 bits.
    expect(sqnrDb(kernel.output, standard.output)).toBeGreaterThan(35);
  });

  test("what cannot take the form says why", async () => {
    const old = matmulModel();
    const reasonOf = async (rules: FormRule[], { model, feeds } = old) =>
      (await formed(model, rules, feeds)).report.skipped[0]?.reason;
    expect(await reasonOf(all("standard-blocks-4"))).toMatch(/opset 21, the model has 17/);
    expect(await reasonOf(all("blocks-4", { width: 128 }))).toBe("64 weights a row, fewer than a block of 128");
    const odd = matmulModel({ inputs: 40, opset: 21 });
    expect(await reasonOf(all("standard-blocks-4"), odd)).toMatch(/no whole blocks of 32/);
    expect(() => applyForms({ rules: all("blocks-4", { width: 48 as 32 }) })).toThrow(/blocks of 48/);
    await expect(formed(old.model, [{ match: "nobody", form: "nf4" }], old.feeds)).rejects.toMatchObject({
      code: "E2103",
    });
  });
});

/** What the operators say: x on 256 steps over its range and 0, weights on 255 steps of their column. */
function dynamicReference(x: Float32Array, weights: Float32Array, inputs: number, outputs: number): Float64Array {
  const [low, high] = [Math.min(0, ...x), Math.max(0, ...x)];
  const scale = Math.fround((high - low) / 255);
  const zeroPoint = Math.round(-low / scale);
  const rounded = x.map(
    (value) => scale * (Math.max(0, Math.min(255, Math.round(value / scale) + zeroPoint)) - zeroPoint),
  );
  const columns = weights.slice();
  for (let n = 0; n < outputs; n++) {
    let largest = 0;
    for (let k = 0; k < inputs; k++) largest = Math.max(largest, Math.abs(weights[k * outputs + n]!));
    for (let k = 0; k < inputs; k++) {
      const at = k * outputs + n;
      columns[at] = (Math.round(weights[at]! / (largest / 127)) * largest) / 127;
    }
  }
  return product(rounded, columns, inputs, outputs);
}

describe("dynamic int8", () => {
  test("a channel, stored as uint8: exactly what the operators say", async () => {
    const { model, feeds, weights } = matmulModel({ seed: 11 });
    const { output, model: small } = await formed(model, all("dynamic-int8"), feeds);
    const expected = dynamicReference(feeds.x!.data as Float32Array, weights, 64, 24);
    expect(sqnrDb(expected, output)).toBeGreaterThan(50);
    expect(opTypes(small).sort()).toEqual(["Cast", "DynamicQuantizeLinear", "MatMulInteger", "Mul", "Mul"]);
    const tensor = await formed(model, all("dynamic-int8", { granularity: "per-tensor" }), feeds);
    const reference = product(feeds.x!.data as Float32Array, weights, 64, 24);
    expect(sqnrDb(reference, output)).toBeGreaterThan(sqnrDb(reference, tensor.output));
  });

  test("Gemm with alpha, beta and transB; layers of one input share its integers", async () => {
    const { model, builder } = GraphBuilder.model("gemm");
    const x = builder.input("x", ["N", 32]);
    const weight = builder.constant(Tensor.float32([8, 32], normals(256, 1)), "W");
    const bias = builder.constant(Tensor.float32([8], normals(8, 2)), "b");
    const attributes = {
      transB: int(1),
      alpha: { type: "float", value: 0.5 },
      beta: { type: "float", value: 2 },
    } as const;
    const first = builder.node("Gemm", [x, weight, bias], attributes, { name: "one" });
    const second = builder.node("Gemm", [x, weight], { transB: int(1) }, { name: "two" });
    builder.output(builder.node("Add", [first, second]), "float32", ["N", 8]);
    const feeds = { x: { dtype: "float32", dims: [4, 32], data: normals(128, 3) } } as const;
    const reference = await outputOf(model, feeds);
    for (const form of ["dynamic-int8", "blocks-8", "blocks-4"] as const) {
      const { output, model: small } = await formed(model, all(form, { width: 16 }), feeds);
      expect(sqnrDb(reference, output)).toBeGreaterThan(form === "blocks-4" ? 18 : 33);
      const shared = opTypes(small).filter((opType) => opType === "DynamicQuantizeLinear");
      expect(shared).toHaveLength(form === "dynamic-int8" ? 1 : 0);
    }
  });

  test("Conv with groups, strides, padding and bias", async () => {
    const { model, builder } = GraphBuilder.model("conv");
    const x = builder.input("x", ["N", 4, 9, 9]);
    const inputs = [
      x,
      builder.constant(Tensor.float32([6, 2, 3, 3], normals(108, 1)), "W"),
      builder.constant(Tensor.float32([6], normals(6, 2)), "b"),
    ];
    const attributes = {
      group: int(2),
      strides: { type: "ints", value: [2, 2] },
      pads: { type: "ints", value: [1, 1, 1, 1] },
    } as const;
    builder.output(builder.node("Conv", inputs, attributes, { name: "conv" }), "float32", ["N", 6, 5, 5]);
    const feeds = { x: { dtype: "float32", dims: [2, 4, 9, 9], data: normals(648, 3) } } as const;
    const { output, model: small } = await formed(model, all("dynamic-int8"), feeds);
    expect(opTypes(small)).toContain("ConvInteger");
    expect(sqnrDb(await outputOf(model, feeds), output)).toBeGreaterThan(33);
  });

  test("LSTM in two directions, with states", async () => {
    const [hidden, width] = [8, 12];
    const { model, builder } = GraphBuilder.model("lstm");
    const x = builder.input("x", ["T", 1, width]);
    const h = builder.input("h", [2, 1, hidden]);
    const constant = (dims: number[], seed: number) =>
      builder.constant(
        Tensor.float32(
          dims,
          normals(
            dims.reduce((a, b) => a * b),
            seed,
            0.4,
          ),
        ),
        "constant",
      );
    const inputs = [
      x,
      constant([2, 4 * hidden, width], 1),
      constant([2, 4 * hidden, hidden], 2),
      constant([2, 8 * hidden], 3),
      "",
      h,
    ];
    const attributes = { hidden_size: int(hidden), direction: { type: "string", value: "bidirectional" } } as const;
    builder.output(builder.node("LSTM", inputs, attributes, { name: "lstm" }), "float32");
    const feeds = {
      x: { dtype: "float32", dims: [6, 1, width], data: normals(6 * width, 4) },
      h: { dtype: "float32", dims: [2, 1, hidden], data: normals(2 * hidden, 5, 0.5) },
    } as const;
    const { output, report } = await formed(model, all("dynamic-int8"), feeds);
    expect(report.layers.map(({ opType }) => opType)).toEqual(["LSTM"]);
    expect(sqnrDb(await outputOf(model, feeds), output)).toBeGreaterThan(30);
  });
});

describe("embedding tables", () => {
  test.each(["rows-8", "rows-4"] as const)("%s: every row is what its integers say", async (form) => {
    const { model, builder } = GraphBuilder.model("rows");
    const table = normals(600 * 64, 1);
    const ids = builder.input("ids", ["N", "S"], "int64");
    builder.output(
      builder.node("Gather", [builder.constant(Tensor.float32([600, 64], table), "E"), ids], {}, { name: "words" }),
      "float32",
    );
    const rows = [0, 599, 17, 17, 300, 1];
    const feeds = { ids: { dtype: "int64", dims: [2, 3], data: BigInt64Array.from(rows, BigInt) } } as const;
    const { output } = await formed(model, all(form), feeds);
    const reference = rows.flatMap((row) => [...table.subarray(row * 64, (row + 1) * 64)]);
    expect(sqnrDb(reference, output)).toBeGreaterThan(form === "rows-8" ? 40 : 20);
  });

  test("small tables stay", async () => {
    const { model, builder } = GraphBuilder.model("rows");
    const ids = builder.input("ids", ["N"], "int64");
    builder.output(
      builder.node("Gather", [builder.constant(Tensor.float32([2, 64], normals(128, 1))), ids]),
      "float32",
    );
    const report = await applyForms({ rules: all("rows-8") })(model, {});
    expect(report).toMatchObject({ modified: false, layers: [], skipped: [] });
  });
});

test("the last rule that a layer can take counts", async () => {
  const { model, builder } = GraphBuilder.model("rules");
  const x = builder.input("x", ["N", 32]);
  const layer = (data: string, name: string) =>
    builder.node(
      "MatMul",
      [data, builder.constant(Tensor.float32([32, 32], normals(1024, name.length)), `${name}.weight`)],
      {},
      { name },
    );
  builder.output(layer(layer(layer(x, "block/first"), "block/second"), "head"), "float32");
  const rules: FormRule[] = [
    { match: "*", form: "blocks-4" },
    { match: "block/*", form: "blocks-8" },
    { match: "head", form: "float32" },
    { match: "*", form: "rows-8" },
  ];
  const report = await applyForms({ rules })(model, {});
  expect(report.layers.map(({ node, form }) => [node, form])).toEqual([
    ["block/first", "blocks-8"],
    ["block/second", "blocks-8"],
  ]);
  expect(opTypes(model)).toEqual(["MatMulNBits", "MatMulNBits", "MatMul"]);
});
