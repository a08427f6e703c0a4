import { readFile } from "node:fs/promises";
import { inspectModel, parseModel } from "@equant/core";
import { expect, test } from "vitest";
import { SHARED_MODELS, sharedModel } from "../../../core/test/helpers/shared.js";
import { foldGraph } from "../../src/graph/fold-graph.js";
import { layoutLayered } from "../../src/graph/layout-layered.js";
import { inspectedGraph } from "../../src/graph/summary.js";

test.each(SHARED_MODELS)("%s folds to a readable number of cards", async (name) => {
  const graph = inspectedGraph(await inspectModel(parseModel(await readFile(sharedModel(name)))));
  const folded = foldGraph(graph);
  expect(folded.cards.length).toBeLessThanOrEqual(80);
  // Every node is in exactly one card.
  const ids = folded.cards.flatMap((card) => card.nodeIds);
  expect([...ids].sort()).toEqual(graph.nodes.map((node) => node.id).sort());
  const layout = layoutLayered({ count: folded.cards.length, edges: folded.edges });
  expect(layout.method).toBe("layered");
});
