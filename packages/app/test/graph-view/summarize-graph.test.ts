import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  calibrate,
  cloneModel,
  createModel,
  createNode,
  createRunner,
  digitDataset,
  type InspectedNode,
  type Model,
  parseModel,
  prepareModel,
  quantizationRequests,
  quantize,
  Tensor,
} from "@equant/core";
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { foldGraph } from "../../src/graph-view/fold-graph.js";
import { summarizeGraph } from "../../src/graph-view/summarize-graph.js";

const digits = (): Model => parseModel(readFileSync(join(import.meta.dirname, "../../../cli/assets/digits.onnx")));

test("bytes and bits of the digits network, as plain data", () => {
  const model = digits();
  const summary = summarizeGraph(model);
  const bytes = [...model.graph.initializers.values()].reduce((sum, tensor) => sum + tensor.bytes().length, 0);
  expect(summary.nodes.reduce((sum, node) => sum + node.weightBytes!, 0)).toBe(bytes);
  const layers = summary.nodes.filter((node) => node.bits !== undefined);
  expect(layers.length).toBeGreaterThan(2);
  expect(new Set(layers.map((node) => node.bits))).toEqual(new Set([32]));
  expect(structuredClone(summary)).toEqual(summary);
});

test("quantizing the digits network changes bits and bytes, and no position", async () => {
  const runner = createRunner(ort as never, { threads: 1 });
  const model = digits();
  const before = summarizeGraph(model);
  await prepareModel(model, { runner });
  const requests = quantizationRequests(model, {});
  const calibration = await calibrate(cloneModel(model), digitDataset({ count: 8, seed: 5 }), { requests }, { runner });
  await quantize(calibration, {})(model, { runner });
  const after = summarizeGraph(model);
  expect(after.nodes.length).toBeGreaterThan(before.nodes.length);
  const layers = after.nodes.filter((node) => node.opType === "Conv" || node.opType === "Gemm");
  expect(layers.map((node) => node.bits)).toEqual(layers.map(() => 8));
  const total = (nodes: typeof after.nodes) => nodes.reduce((sum, node) => sum + node.weightBytes!, 0);
  expect(total(after.nodes)).toBeLessThan(0.5 * total(before.nodes));
  const [a, b] = [foldGraph(before), foldGraph(after)];
  expect(b.hash).toBe(a.hash);
  expect(b.cards.map((card) => card.main)).toEqual(a.cards.map((card) => card.main));
});

test("equal names become unique ids; a shared constant counts once; zeros are counted", () => {
  const model = createModel("twice");
  const { graph } = model;
  graph.inputs = [{ name: "x", dtype: "float32", shape: [1, 2] }];
  graph.outputs = [{ name: "z" }];
  graph.initializers.set("w", Tensor.float32([2, 2], [1, 0, 0, 0]));
  graph.nodes = [
    createNode({ opType: "MatMul", name: "m", inputs: ["x", "w"], outputs: ["y"] }),
    createNode({ opType: "MatMul", name: "m", inputs: ["y", "w"], outputs: ["z"] }),
  ];
  const inspected = { name: "m", macs: 4 } as InspectedNode;
  const { nodes } = summarizeGraph(model, { nodes: [inspected] });
  expect(nodes.map((node) => [node.id, node.weightBytes, node.sparsity, node.macs])).toEqual([
    ["m", 16, 0.75, 4],
    ["m#2", 0, 0.75, 4],
  ]);
});
