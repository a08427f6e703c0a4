import { describe, expect, test } from "vitest";
import { type TestModel, testModel } from "../helpers/build.js";
import { createNode, float, type Graph, int, serializeModel, Tensor, upgradeOpset } from "./core.js";
import { opTypes } from "./helpers.js";
import { expectUpgraded, image, modelOf, single, upgrade } from "./upgrade-models.js";

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
