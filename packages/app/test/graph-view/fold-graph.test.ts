import { expect, test } from "vitest";
import { foldGraph } from "../../src/graph-view/fold-graph.js";
import { layoutGraph } from "../../src/graph-view/layout-graph.js";
import { mobileNet, transformer } from "./networks.js";

test("a MobileNet is one card a layer, and quantizing it moves nothing", async () => {
  const float = foldGraph(mobileNet({ batchNorm: true }));
  const quantized = foldGraph(mobileNet({ qdq: true }));
  expect(float.cards.length).toBeLessThanOrEqual(60);
  // 27 convolutions with what follows, pool, flatten, classifier, input and output.
  expect(float.cards).toHaveLength(27 + 3 + 2);
  expect(float.cards.filter((card) => card.kind === "chain").map((card) => card.title)).toContain("Conv + BN + Relu");
  expect(quantized.cards.map((card) => card.main)).toEqual(float.cards.map((card) => card.main));
  expect(quantized.hash).toBe(float.hash);
  const [a, b] = [await layoutGraph(float, { cache: new Map() }), await layoutGraph(quantized, { cache: new Map() })];
  expect([...b.x, ...b.y]).toEqual([...a.x, ...a.y]);
});

test("a transformer of 2000 nodes is at most 150 cards, one a repeated layer", () => {
  const graph = transformer(48);
  expect(graph.nodes.length).toBeGreaterThan(2000);
  const { cards } = foldGraph(graph);
  expect(cards.length).toBeLessThanOrEqual(150);
  const blocks = cards.filter((card) => card.kind === "block");
  expect(blocks.length).toBeGreaterThanOrEqual(47);
  expect(new Set(blocks.map((card) => card.hash)).size).toBe(1);
});
