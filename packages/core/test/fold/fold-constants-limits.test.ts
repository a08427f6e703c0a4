import { describe, expect, test } from "vitest";
import { type TestModel, testModel } from "../helpers/build.js";
import { float, int, ints, type Model, parseModel, serializeModel, Tensor, tensor } from "./core.js";
import { expectFolded, expectRefused, expectSameFunction, foldCopy, opTypes } from "./helpers.js";

function modelOf(build: (t: TestModel) => string | string[], opset = 17): Model {
  const t = testModel(21, opset);
  const outputs = build(t);
  for (const output of typeof outputs === "string" ? [outputs] : outputs) t.builder.output(output);
  return t.model;
}

const NO_RUNNER = {};

describe("size", () => {
  const large = (rows: number) =>
    modelOf((t) => {
      const shape = t.builder.node("Cast", [t.builder.constant(Tensor.float32([2], [rows, 64]))], { to: int(7) });
      const ones = t.builder.node(
        "ConstantOfShape",
        [shape],
        { value: tensor(Tensor.float32([1], [2])) },
        { name: "ones" },
      );
      return t.builder.node("Mul", [t.builder.input("x", [64]), t.builder.node("Neg", [ones])]);
    });

  test("below the limit it is folded", async () => {
    const { model } = await expectFolded(large(8));
    expect(opTypes(model)).toEqual(["Mul"]);
  });

  test("above the limit it stays, but its shape is folded", async () => {
    const model = large(4097);
    const { report, model: folded } = await foldCopy(model);
    expect(opTypes(folded)).toEqual(["ConstantOfShape", "Neg", "Mul"]);
    expect(report.skipped).toEqual([
      {
        node: "ones",
        opType: "ConstantOfShape",
        reason: "its value takes 1048832 bytes, more than 1048576 above the 16 it is computed from",
      },
    ]);
    await expectSameFunction(model, await foldCopy(model));
    const strict = await foldCopy(large(8), { maxGrowthBytes: 100 });
    expect(strict.report.skipped.map(({ node }) => node)).toEqual(["ones"]);
    expect(opTypes((await foldCopy(large(4097), { maxGrowthBytes: 2 ** 21 })).model)).toEqual(["Mul"]);
  });

  test.each<[string, (t: TestModel) => string]>([
    [
      "Expand",
      (t) =>
        t.builder.node(
          "Expand",
          [t.random([1, 3]), t.builder.constant(Tensor.int64([2], [9000, 1]))],
          {},
          { name: "grow" },
        ),
    ],
    [
      "Tile",
      (t) =>
        t.builder.node("Tile", [t.random([3]), t.builder.constant(Tensor.int64([1], [9000]))], {}, { name: "grow" }),
    ],
    [
      "Range",
      (t) =>
        t.builder.node(
          "Range",
          [t.builder.constant(0), t.builder.constant(27000), t.builder.constant(1)],
          {},
          { name: "grow" },
        ),
    ],
    ["MatMul", (t) => t.builder.node("MatMul", [t.random([200, 1]), t.random([1, 200])], {}, { name: "grow" })],
  ])("%s", async (_, grow) => {
    const model = modelOf((t) => t.builder.node("Add", [t.builder.input("x", [1]), grow(t)]));
    await expectRefused(model, "grow", /its value takes \d+ bytes, more than 100000 above the \d+/, {
      maxGrowthBytes: 100_000,
    });
    expect(opTypes((await expectFolded(model)).model)).toEqual(["Add"]);
  });
});

describe("refusals", () => {
  const added = (make: (t: TestModel) => string) =>
    modelOf((t) => t.builder.node("Add", [t.builder.node("Relu", [t.builder.input("x", [2])]), make(t)]));

  test("without a runner", async () => {
    const model = added((t) => t.builder.node("Exp", [t.builder.node("Neg", [t.random([2])])], {}, { name: "exp" }));
    await expectRefused(model, "exp", /its value has to be computed, and there is no runner/, {}, NO_RUNNER);
  });

  test.each<[string, (t: TestModel) => string]>([
    ["RandomNormal", (t) => t.builder.node("RandomNormal", [], { shape: ints([2]), seed: float(1) }, { name: "r" })],
    ["RandomUniformLike", (t) => t.builder.node("RandomUniformLike", [t.random([2])], {}, { name: "r" })],
    [
      "Dropout in training",
      (t) => {
        const yes = t.builder.constant(Tensor.of("bool", [], Uint8Array.of(1)));
        return t.builder.node("Dropout", [t.random([2]), t.builder.constant(0.5), yes], {}, { name: "r" });
      },
    ],
  ])("%s", async (_, make) => {
    await expectRefused(added(make), "r", /its result is random/, { kinds: ["constants"] });
  });

  test("quantized parameters stay quantized", async () => {
    const model = added((t) => {
      const q = t.builder.constant(Tensor.of("int8", [2], Int8Array.of(3, -4)));
      return t.builder.node("DequantizeLinear", [q, t.builder.constant(0.5)], {}, { name: "dq" });
    });
    await expectRefused(model, "dq", /quantized parameters stay quantized/);
  });

  test("one operator that ONNX Runtime cannot run does not stop the others", async () => {
    const model = added((t) => {
      // A sequence is no tensor: it cannot become an initializer.
      const sequence = t.builder.node("SequenceConstruct", [t.random([2]), t.random([2])], {}, { name: "seq" });
      const index = t.builder.node(
        "Cast",
        [t.builder.node("ReduceMax", [t.builder.input("i", [1], "int64")], { keepdims: int(0) })],
        { to: int(7) },
      );
      const element = t.builder.node("SequenceAt", [sequence, index]);
      return t.builder.node("Mul", [element, t.builder.node("Exp", [t.random([2])])]);
    });
    const { report, model: folded } = await foldCopy(model);
    expect(opTypes(folded)).not.toContain("Exp");
    expect(report.skipped).toEqual([
      {
        node: "seq",
        opType: "SequenceConstruct",
        reason: expect.stringMatching(/ONNX Runtime cannot compute it|no tensor/),
      },
    ]);
  });

  test("defaults of graph inputs are not constants from IR version 4 on", async () => {
    const model = added((t) => {
      const value = t.random([2], "default");
      t.model.graph.inputs.push({ name: value, dtype: "float32", shape: [2] });
      return t.builder.node("Exp", [value]);
    });
    expect((await foldCopy(model)).report).toMatchObject({ modified: false, skipped: [] });
    const { model: folded } = await expectFolded(model, { inputDefaults: true });
    expect(opTypes(folded)).toEqual(["Relu", "Add"]);
    expect(folded.graph.inputs.map(({ name }) => name)).toEqual(["x"]);
  });

  test("before IR version 4 they are, and the inputs go", async () => {
    const t = testModel(2, 8);
    const x = t.builder.input("x", [2]);
    t.model.irVersion = 3;
    const value = t.random([2], "w");
    t.model.graph.inputs.push({ name: value, dtype: "float32", shape: [2] });
    t.builder.output(t.builder.node("Add", [x, t.builder.node("Exp", [value])]));
    const { model } = await expectFolded(parseModel(serializeModel(t.model)));
    expect(opTypes(model)).toEqual(["Add"]);
    expect(model.graph.inputs.map(({ name }) => name)).toEqual(["x"]);
    expect(model.irVersion).toBe(4);
  });

  test("a cancelled fold throws E6005 and leaves the model as it was", async () => {
    const model = added((t) => t.builder.node("Exp", [t.random([2])]));
    const before = serializeModel(model);
    await expect(foldCopy(model, {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "E6005" });
    expect(Buffer.compare(before, serializeModel(model))).toBe(0);
  });
});
