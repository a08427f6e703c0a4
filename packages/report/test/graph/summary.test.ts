import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  calibrate,
  cloneModel,
  createRunner,
  digitDataset,
  inspectModel,
  parseModel,
  prepareModel,
  quantizationRequests,
  quantize,
} from "@equant/core/lab";
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { foldGraph } from "../../src/graph/fold-graph.js";
import { inspectedGraph, reportedGraph } from "../../src/graph/summary.js";
import { fixtureReport } from "../fixture.js";

test("quantizing the digits network changes bytes, and no position", async () => {
  const runner = createRunner(ort as never, { threads: 1 });
  const model = parseModel(readFileSync(join(import.meta.dirname, "../../../cli/assets/digits.onnx")));
  const before = inspectedGraph(await inspectModel(model));
  await prepareModel(model, { runner });
  const requests = quantizationRequests(model, {});
  const calibration = await calibrate(
    cloneModel(model),
    { requests },
    { runner, data: digitDataset({ count: 8, seed: 5 }) },
  );
  await quantize({ calibration })(model, { runner });
  const after = inspectedGraph(await inspectModel(model));
  expect(after.nodes.length).toBeGreaterThan(before.nodes.length);
  const total = (nodes: typeof after.nodes) => nodes.reduce((sum, node) => sum + node.weightBytes!, 0);
  expect(total(after.nodes)).toBeLessThan(0.5 * total(before.nodes));
  const [a, b] = [foldGraph(before), foldGraph(after)];
  expect(b.hash).toBe(a.hash);
  expect(b.cards.map((card) => card.main)).toEqual(a.cards.map((card) => card.main));
  expect(structuredClone(after)).toEqual(after);
});

test("a report's network has its edges, its layers' figures, and ids of its own where names repeat", () => {
  const report = fixtureReport();
  const { nodes } = reportedGraph(report);
  expect(nodes.map(({ name }) => name)).toEqual(report.graph!.nodes.map(({ name }) => name));
  nodes.forEach((node, at) => {
    expect(node.inputs).toEqual(report.graph!.nodes[at]!.inputs.map((input) => nodes[input]!.id));
    const layer = report.layers.find(({ name }) => name === node.name);
    expect([node.bits, node.weightBytes]).toEqual([layer?.bits, layer?.bytesAfter]);
  });
  const [first] = report.graph!.nodes;
  const twice = { ...report, graph: { nodes: [first!, { ...first!, inputs: [0] }] } };
  expect(reportedGraph(twice).nodes.map(({ id, inputs }) => [id, inputs])).toEqual([
    [first!.name, []],
    [`${first!.name}#2`, [first!.name]],
  ]);
});
