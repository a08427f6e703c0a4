import { describe, expect, test } from "vitest";
import { batchNorm } from "../helpers/build.js";
import { type Attribute, float, int, ints, string, Tensor, tensor } from "./core.js";
import { opTypes } from "./helpers.js";
import { expectUpgraded, floats, image, modelOf, type Op, single, upgrade } from "./upgrade-models.js";

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
