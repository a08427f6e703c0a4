import { describe, expect, test } from "vitest";
import { batchNorm, type TestModel, testModel } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";
import {
  type Attribute,
  assertValid,
  createNode,
  float,
  type Graph,
  int,
  ints,
  type Model,
  parseModel,
  serializeModel,
  string,
  Tensor,
  tensor,
  upgradeOpset,
} from "./core.js";
import { opTypes, randomFeeds, relativeDifference, runBytes } from "./helpers.js";

async function upgrade(model: Model, target?: number) {
  const before = serializeModel(model);
  const copy = parseModel(before);
  const report = await upgradeOpset(target === undefined ? {} : { target })(copy, { runner });
  return { report, model: copy, before, after: serializeModel(copy) };
}

/** The old model and the upgraded one, both run literally, give the same bits up to 1e-6; the new one is valid. */
async function expectUpgraded(model: Model, target?: number): Promise<Model> {
  const { report, model: upgraded, before, after } = await upgrade(model, target);
  expect(report).toMatchObject({ modified: true, from: model.opsets.get(""), to: target ?? 17, skipped: [] });
  expect(upgraded.opsets.get("")).toBe(target ?? 17);
  expect(upgraded.irVersion).toBeGreaterThanOrEqual(8);
  assertValid(upgraded);
  const feeds = randomFeeds(model);
  expect(relativeDifference(await runBytes(before, feeds), await runBytes(after, feeds))).toBeLessThanOrEqual(1e-6);
  return upgraded;
}

function modelOf(opset: number, build: (t: TestModel) => string | string[]): Model {
  const t = testModel(51, opset);
  const outputs = build(t);
  for (const output of typeof outputs === "string" ? [outputs] : outputs) {
    t.model.graph.outputs.push({ name: output, dtype: undefined, shape: undefined });
  }
  return t.model;
}

type Op = [opType: string, attributes: Record<string, Attribute>, dims?: (number | string)[], outputs?: number];
const floats = (...value: number[]): Attribute => ({ type: "floats", value });
const image = ["N", 3, 4, 6];

/** One operator on one input. */
const single = (opset: number, [opType, attributes, dims = image, outputs = 1]: Op) =>
  modelOf(opset, (t) =>
    t.builder
      .nodes(opType, [t.builder.input("x", dims)], attributes, { outputs })
      .outputs.filter((_, i) => i < outputs),
  );

describe("every operator, from the opset it changed after, against ONNX Runtime", () => {
  const cases: [opset: number, operator: Op][] = [
    ...[7, 10].flatMap((opset): [number, Op][] => [
      [opset, ["Clip", { min: float(-0.5), max: float(0.5) }]],
      [opset, ["Clip", { min: float(0) }]],
      [opset, ["Clip", { max: float(0) }]],
      [opset, ["Clip", {}]],
      [opset, ["Pad", { pads: ints([0, 0, 1, 2, 0, 0, 0, 1]) }]],
      [opset, ["Pad", { pads: ints([0, 0, 1, 2, 0, 0, 0, 1]), value: float(2.5) }]],
      [opset, ["Pad", { pads: ints([0, 0, 1, 2, 0, 0, 0, 1]), mode: string("reflect") }]],
      [opset, ["Pad", { pads: ints([0, 0, 1, 2, 0, 0, 0, 1]), mode: string("edge"), value: float(3) }]],
      [opset, ["Dropout", { ratio: float(0.3) }]],
      [opset, ["Dropout", {}]],
    ]),
    [7, ["Slice", { starts: ints([1, -3]), ends: ints([3, 2 ** 63]), axes: ints([1, 3]) }]],
    [9, ["Slice", { starts: ints([0, 1]), ends: ints([2, 2147483647]) }]],
    [7, ["TopK", { k: int(2) }, image, 2]],
    [9, ["TopK", { k: int(2), axis: int(1) }, image, 2]],
    ...[7, 11, 12].flatMap((opset): [number, Op][] => [
      [opset, ["Split", { axis: int(1), split: ints([1, 2]) }, image, 2]],
      [opset, ["Split", { axis: int(3) }, image, 3]],
      [opset, ["Squeeze", { axes: ints([1]) }, ["N", 1, 4, 1]]],
      [opset, ["Squeeze", {}, ["N", 1, 4, 1]]],
      [opset, ["Unsqueeze", { axes: ints([0, 3]) }]],
      [opset, ["ReduceSum", { axes: ints([1, 2]), keepdims: int(0) }]],
      [opset, ["ReduceSum", { keepdims: int(1) }]],
      [opset, ["ReduceMean", { axes: ints([2, 3]) }]],
      ...["Softmax", "LogSoftmax", "Hardmax"].flatMap((opType): [number, Op][] => [
        [opset, [opType, {}]],
        [opset, [opType, {}, ["N", 5]]],
        [opset, [opType, { axis: int(3) }]],
        [opset, [opType, { axis: int(2) }]],
        [opset, [opType, { axis: int(0) }]],
      ]),
    ]),
    [11, ["Softmax", { axis: int(-1) }]],
    [11, ["Softmax", { axis: int(-2) }]],
    [7, ["Upsample", { scales: floats(1, 1, 2, 3) }]],
    [8, ["Upsample", { scales: floats(1, 1, 2, 1.5), mode: string("nearest") }]],
    [7, ["Upsample", { scales: floats(1, 1, 2, 3), mode: string("linear") }]],
  ];
  test.each(cases)("opset %i: %j", async (opset, operator) => {
    await expectUpgraded(single(opset, operator));
    await expectUpgraded(single(opset, operator), 13);
  });

  const scaled = (opset: number, opType: string, scales: number[], mode: string) =>
    modelOf(opset, (t) =>
      t.builder.node(opType, [t.builder.input("x", image), t.builder.constant(Tensor.float32([4], scales))], {
        mode: string(mode),
      }),
    );
  test.each<[number, string, number[], string]>([
    [9, "Upsample", [1, 1, 2, 3], "nearest"],
    [9, "Upsample", [1, 1, 2, 2.5], "linear"],
    [10, "Resize", [1, 1, 2, 3], "nearest"],
    [10, "Resize", [1, 1, 1.5, 2.5], "nearest"],
    [10, "Resize", [1, 1, 0.5, 0.6], "nearest"],
    [10, "Resize", [1, 1, 0.75, 1], "nearest"],
    [10, "Resize", [1, 1, 2, 1.7], "linear"],
    [10, "Resize", [1, 1, 0.5, 0.7], "linear"],
  ])("opset %i: %s by %j, %s", async (opset, opType, scales, mode) => {
    const upgraded = await expectUpgraded(scaled(opset, opType, scales, mode));
    expect(opTypes(upgraded)).toEqual(["Resize"]);
  });

  test("scales computed from constants are folded first", async () => {
    const model = modelOf(10, (t) => {
      const part = (values: number[]) => t.builder.constant(Tensor.float32([2], values));
      const scales = t.builder.node("Concat", [part([1, 1]), part([0.5, 0.5])], { axis: int(0) });
      return t.builder.node("Resize", [t.builder.input("x", image), scales]);
    });
    expect(opTypes(await expectUpgraded(model))).toEqual(["Resize"]);
  });

  test("Resize of opset 11 stays, except for TensorFlow's old nearest mode", async () => {
    const resize = (attributes: Record<string, Attribute>) =>
      modelOf(11, (t) => {
        const scales = t.builder.constant(Tensor.float32([4], [1, 1, 2, 1.5]));
        return t.builder.node(
          "Resize",
          [t.builder.input("x", image), t.builder.constant(Tensor.float32([0], [])), scales],
          attributes,
        );
      });
    await expectUpgraded(resize({ coordinate_transformation_mode: string("align_corners"), mode: string("linear") }));
    await expectUpgraded(resize({}));
    const old = { coordinate_transformation_mode: string("tf_half_pixel_for_nn") };
    await expectUpgraded(resize({ ...old, nearest_mode: string("floor") }));
    await expect(upgrade(resize({ ...old, mode: string("linear") }))).rejects.toMatchObject({ code: "E4002" });
  });

  test("BatchNormalization", async () => {
    for (const opset of [7, 9]) {
      const model = modelOf(opset, (t) => batchNorm(t, t.builder.input("x", image), 3));
      if (opset === 7) model.graph.nodes[0]!.attributes.set("spatial", int(1));
      await expectUpgraded(model);
    }
  });

  test("Scatter, RoiAlign, ConstantOfShape, Gemm and a Constant in between", async () => {
    await expectUpgraded(
      modelOf(9, (t) => {
        const indices = t.builder.constant(Tensor.int64([1, 2], [1, 0]));
        return t.builder.node("Scatter", [t.builder.input("x", [3, 3]), indices, t.random([1, 2])], { axis: int(1) });
      }),
    );
    await expectUpgraded(
      modelOf(10, (t) => {
        const rois = t.builder.constant(Tensor.float32([2, 4], [0, 0, 2.3, 3.1, 1, 0.5, 3.7, 5]));
        const batch = t.builder.constant(Tensor.int64([2], [0, 1]));
        return t.builder.node("RoiAlign", [t.builder.input("x", [2, 3, 6, 6]), rois, batch], {
          output_height: int(2),
          output_width: int(2),
        });
      }),
    );
    await expectUpgraded(
      modelOf(9, (t) => {
        const gemm = t.builder.node("Gemm", [t.builder.input("x", ["N", 3]), t.random([3, 2]), t.random([2])]);
        const shape = t.builder.node("Constant", [], { value: tensor(Tensor.int64([1], [2])) });
        return t.builder.node("Add", [
          gemm,
          t.builder.node("ConstantOfShape", [shape], { value: tensor(Tensor.float32([1], [3])) }),
        ]);
      }),
    );
  });

  test("float64 data get float64 bounds", async () => {
    const upgraded = await expectUpgraded(
      modelOf(10, (t) => {
        const double = t.builder.node("Cast", [t.builder.input("x", image)], { to: int(11) });
        const padded = t.builder.node("Pad", [double], { pads: ints([0, 0, 1, 0, 0, 0, 0, 0]), value: float(1.5) });
        // Arithmetic keeps the type; Clip itself had no float64 kernel before opset 12.
        return t.builder.node("Sqrt", [t.builder.node("Abs", [padded])]);
      }),
    );
    expect([...upgraded.graph.initializers.values()].map(({ dtype }) => dtype)).toEqual(["int64", "float64"]);
  });

  test("float16 data get float16 bounds", async () => {
    const { model } = await upgrade(
      modelOf(10, (t) => {
        const half = t.builder.node("Cast", [t.builder.input("x", image)], { to: int(10) });
        return t.builder.node("Cast", [t.builder.node("Clip", [half], { max: float(1.5) })], { to: int(1) });
      }),
    );
    const [max] = model.graph.initializers.values();
    expect([max!.dtype, max!.array()]).toEqual(["float16", Uint16Array.of(0x3e00)]);
  });
});

describe("names and structure", () => {
  test("added initializers use fresh names, graph outputs keep theirs", async () => {
    const model = modelOf(9, (t) => {
      const bound = t.random([3, 1, 1], "clip_min");
      const clip = t.builder.node(
        "Clip",
        [t.builder.input("x", image)],
        { min: float(-1), max: float(1) },
        { name: "clip" },
      );
      return t.builder.node("Softmax", [t.builder.node("Add", [clip, bound])], {}, { name: "soft" });
    });
    const upgraded = await expectUpgraded(model);
    expect([...upgraded.graph.initializers.keys()]).toEqual(["clip_min", "clip_min_1", "clip_max"]);
    expect(opTypes(upgraded)).toEqual(["Clip", "Add", "Shape", "Flatten", "Softmax", "Reshape"]);
    expect(upgraded.graph.outputs.map(({ name }) => name)).toEqual(["soft_output"]);
  });

  test("Softmax along the last axis needs no help where the rank is known", async () => {
    expect(opTypes(await expectUpgraded(single(9, ["Softmax", {}, ["N", 10]])))).toEqual(["Softmax"]);
    const reshaped = modelOf(9, (t) => {
      const shape = t.builder.input("s", [2], "int64");
      return t.builder.node("Softmax", [t.builder.node("Reshape", [t.builder.input("x", [1, 1]), shape])]);
    });
    expect(opTypes(await expectUpgraded(reshaped))).toEqual(["Reshape", "Shape", "Flatten", "Softmax", "Reshape"]);
  });

  test("nodes in subgraphs, with names that are free everywhere", async () => {
    const t = testModel(6, 9);
    const x = t.builder.input("x", ["N", 3, 2, 2]);
    t.random([1], "a.clip_min");
    const branch = (name: string): Graph => ({
      name,
      nodes: [
        createNode({
          opType: "Clip",
          name: `${name}.clip`,
          inputs: [x],
          outputs: [`${name}.c`],
          attributes: { min: float(-0.1) },
        }),
        createNode({ opType: "Softmax", name: `${name}.s`, inputs: [`${name}.c`], outputs: [`${name}.y`] }),
      ],
      inputs: [],
      outputs: [{ name: `${name}.y`, dtype: "float32", shape: undefined }],
      initializers: new Map(),
      valueInfos: new Map(),
    });
    const result = t.builder.node("If", [t.builder.input("c", [], "bool")], {
      then_branch: { type: "graph", value: branch("a") },
      else_branch: { type: "graph", value: branch("b") },
    });
    t.builder.output(result);
    const upgraded = await expectUpgraded(t.model);
    const inner = upgraded.graph.nodes[0]!.attributes.get("then_branch")!.value as Graph;
    expect([...inner.initializers.keys()]).toEqual(["a.clip_min_1"]);
    expect(inner.nodes.map(({ opType }) => opType)).toEqual(["Clip", "Shape", "Flatten", "Softmax", "Reshape"]);
    expect((await upgrade(t.model)).report.changed).toEqual({ Clip: 2, Softmax: 2 });
  });

  test("before IR version 4 initializers leave the inputs", async () => {
    const model = modelOf(8, (t) => t.builder.node("Add", [t.builder.input("x", [2]), t.random([2], "w")]));
    model.irVersion = 3;
    model.graph.inputs.push({ name: "w", dtype: "float32", shape: [2] });
    const upgraded = await expectUpgraded(model);
    expect(upgraded.graph.inputs.map(({ name }) => name)).toEqual(["x"]);
  });

  test("opset 13 and newer stay byte for byte as they are", async () => {
    for (const opset of [13, 15, 17, 20]) {
      const { report, before, after } = await upgrade(single(opset, ["Softmax", {}]));
      expect(report).toEqual({
        transform: "upgradeOpset",
        modified: false,
        skipped: [],
        from: opset,
        to: opset,
        changed: {},
      });
      expect(Buffer.compare(before, after)).toBe(0);
    }
  });
});

describe("errors", () => {
  test("options", () => {
    expect(() => upgradeOpset({ to: 13 } as never)).toThrow(expect.objectContaining({ code: "E2001" }));
    for (const target of [12, 18, 13.5]) {
      expect(() => upgradeOpset({ target })).toThrow(expect.objectContaining({ code: "E2002" }));
    }
  });

  test("opset 6 is too old, and says what to do", async () => {
    await expect(upgrade(single(6, ["Relu", {}]))).rejects.toMatchObject({
      code: "E4002",
      message: "upgradeOpset: opset 6 is too old, expected 7 or newer",
      details: { actual: 6, hint: expect.stringContaining("opset 13") },
    });
    const none = single(9, ["Relu", {}]);
    none.opsets = new Map([["com.example", 1]]);
    await expect(upgrade(none)).rejects.toMatchObject({
      code: "E4002",
      message: expect.stringMatching(/declares no opset/),
    });
  });

  const computed = (t: TestModel) => t.builder.input("scales", [4]);
  test.each<[number, string, (t: TestModel) => string | string[], RegExp]>([
    [
      9,
      "ImageScaler",
      (t) => t.builder.node("ImageScaler", [t.builder.input("x", image)], { scale: float(2) }, { name: "op" }),
      /withdrew/,
    ],
    [
      8,
      "Scan",
      (t) => t.builder.node("Scan", ["", t.builder.input("x", image)], {}, { name: "op" }),
      /another operator before opset 9/,
    ],
    [
      7,
      "Add",
      (t) =>
        t.builder.node(
          "Add",
          [t.builder.input("x", image), t.random([3])],
          { broadcast: int(1), axis: int(1) },
          { name: "op" },
        ),
      /broadcast is of opset 6/,
    ],
    [
      7,
      "BatchNormalization",
      (t) => t.builder.node("BatchNormalization", [t.builder.input("x", image)], { spatial: int(0) }, { name: "op" }),
      /spatial is 0/,
    ],
    [
      9,
      "BatchNormalization",
      (t) =>
        t.builder.nodes("BatchNormalization", [t.builder.input("x", image)], {}, { name: "op", outputs: 5 }).outputs,
      /training mode/,
    ],
    [
      9,
      "Dropout",
      (t) => t.builder.nodes("Dropout", [t.builder.input("x", image)], {}, { name: "op", outputs: 2 }).outputs,
      /its mask is read/,
    ],
    [
      10,
      "Resize",
      (t) => t.builder.node("Resize", [t.builder.input("x", image), computed(t)], {}, { name: "op" }),
      /its scales are computed/,
    ],
    [
      10,
      "Resize",
      (t) =>
        t.builder.node(
          "Resize",
          [t.builder.input("x", image), t.builder.constant(Tensor.float32([4], [1, 1, 2, 0.5]))],
          {},
          { name: "op" },
        ),
      /enlarges one axis and shrinks another/,
    ],
    [
      10,
      "Clip",
      (t) => t.builder.node("Clip", [t.builder.input("x", [2], "int64")], { min: float(0) }, { name: "op" }),
      /its data is int64/,
    ],
    [
      9,
      "TopK",
      (t) => t.builder.nodes("TopK", [t.builder.input("x", image)], {}, { name: "op", outputs: 2 }).outputs,
      /it has no k/,
    ],
  ])("opset %i %s", async (opset, opType, build, reason) => {
    const model = modelOf(opset, (t) => {
      const built = build(t);
      // Something to rewrite before it: the throw must not leave half an upgrade behind.
      t.model.graph.nodes.unshift(
        createNode({ opType: "Clip", name: "first", inputs: ["y"], outputs: ["z"], attributes: { min: float(0) } }),
      );
      t.builder.input("y", [1]);
      return [...(typeof built === "string" ? [built] : built), "z"];
    });
    const before = serializeModel(model);
    const error = await (async () => upgradeOpset()(model, {}))().catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "E4002", details: { node: "op", opType, actual: opset } });
    expect((error as Error).message).toMatch(reason);
    expect((error as Error).message).toContain(`node "op" (${opType}) of opset ${opset}`);
    expect(Buffer.compare(before, serializeModel(model))).toBe(0);
  });
});
