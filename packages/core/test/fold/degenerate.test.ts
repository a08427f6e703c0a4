import { expect, test } from "vitest";
import { fold } from "../../src/fold/fold.js";
import { upgradeOpset } from "../../src/fold/upgrade-opset.js";
import { createModel, createNode, type Model, Tensor, validateModel } from "../../src/graph/index.js";
import { runner } from "../helpers/runner.js";

function modelOf(opset: number, inputs: Model["graph"]["inputs"], outputs: readonly string[]): Model {
  const model = createModel("degenerate", opset);
  model.graph.inputs = inputs;
  model.graph.outputs = outputs.map((name) => ({ name, dtype: "float32", shape: undefined }));
  return model;
}

test("Resize with an empty scales input: opset 13 takes scales or sizes, not both", async () => {
  const model = modelOf(11, [{ name: "x", dtype: "float32", shape: [1, 1, 2, 2] }], ["y"]);
  model.graph.initializers.set("none", Tensor.float32([0], []));
  model.graph.initializers.set("sizes", Tensor.int64([4], [1, 1, 4, 4]));
  model.graph.nodes = [createNode({ opType: "Resize", inputs: ["x", "none", "none", "sizes"], outputs: ["y"] })];
  const data = { dtype: "float32", dims: [1, 1, 2, 2], data: Float32Array.of(1, 2, 3, 4) } as const;
  const run = () => runner.using(model, (session) => session.run({ x: data }));
  const before = await run();
  await upgradeOpset()(model, {});
  expect(model.opsets.get("")).toBe(17);
  expect(model.graph.nodes[0]!.inputs).toEqual(["x", "none", "", "sizes"]);
  expect((await run()).y!.data).toEqual(before.y!.data);
});

test("a computed start of Range with an axis stays computed: ONNX Runtime takes constants only as scalars", async () => {
  const model = modelOf(17, [{ name: "stop", dtype: "float32", shape: [] }], ["y"]);
  model.graph.initializers.set("a", Tensor.float32([1], [1]));
  model.graph.initializers.set("delta", Tensor.scalar(1));
  model.graph.nodes = [
    createNode({ opType: "Neg", inputs: ["a"], outputs: ["start"] }),
    createNode({ opType: "Range", inputs: ["start", "stop", "delta"], outputs: ["y"] }),
  ];
  const stop = { dtype: "float32", dims: [], data: Float32Array.of(2) } as const;
  const run = () => runner.using(model, (session) => session.run({ stop }), { optimization: "disabled" });
  const before = await run();
  const { skipped } = await fold()(model, { runner });
  expect(skipped.map(({ reason }) => reason)).toEqual([
    "Range takes constants only as scalars, and this one has an axis",
  ]);
  expect((await run()).y!.data).toEqual(before.y!.data);
});

test("an operator with an output it does not have is left alone", async () => {
  const model = modelOf(17, [{ name: "x", dtype: "float32", shape: [2] }], ["y"]);
  model.graph.nodes = [createNode({ opType: "Shape", inputs: ["x"], outputs: ["", "y"] })];
  await fold()(model, {});
  expect(validateModel(model)).toEqual([]);
});

test("E4002: a node without the input that an upgrade writes on", async () => {
  const model = modelOf(11, [{ name: "x", dtype: "float32", shape: [2] }], ["y"]);
  model.graph.nodes = [createNode({ opType: "Softmax", inputs: [], outputs: ["y"] })];
  await expect(async () => upgradeOpset()(model, {})).rejects.toThrow(expect.objectContaining({ code: "E4002" }));
  expect(model.opsets.get("")).toBe(11);
});
