import fc from "fast-check";
import { expect, test } from "vitest";
import { findRuns } from "../../src/graph/fold-blocks.js";
import { commonName, foldGraph } from "../../src/graph/fold-graph.js";
import { layoutLayered } from "../../src/graph/layout-layered.js";
import type { FoldedGraph, GraphLayout, GraphSummary } from "../../src/graph/types.js";
import { mobileNet, networkBuilder, randomNetwork, transformer } from "./networks.js";

test("a MobileNet is one card a layer, and quantizing it moves nothing", () => {
  const float = foldGraph(mobileNet({ batchNorm: true }));
  const quantized = foldGraph(mobileNet({ qdq: true }));
  expect(float.cards.length).toBeLessThanOrEqual(60);
  // 27 convolutions with what follows, pool, flatten, classifier, input and output.
  expect(float.cards).toHaveLength(27 + 3 + 2);
  expect(float.cards.filter((card) => card.kind === "chain").map((card) => card.title)).toContain("Conv + BN + Relu");
  expect(quantized.cards.map((card) => card.main)).toEqual(float.cards.map((card) => card.main));
  expect(quantized.hash).toBe(float.hash);
  const [a, b] = [float, quantized].map(({ cards, edges }) => layoutLayered({ count: cards.length, edges })) as [
    GraphLayout,
    GraphLayout,
  ];
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

/** Edges between cards straight from the definition: a value made in one card and read in another. */
function naiveEdges(graph: GraphSummary, { cards }: FoldedGraph): Set<string> {
  const cardOf = (id: string) => cards.findIndex((card) => card.nodeIds.includes(id));
  const edges = new Set<string>();
  for (const maker of graph.nodes) {
    for (const reader of graph.nodes) {
      if (!reader.inputs.some((value) => maker.outputs.includes(value))) continue;
      const [from, to] = [cardOf(maker.id), cardOf(reader.id)];
      if (from !== to) edges.add(`${from},${to}`);
    }
  }
  for (const card of cards) {
    if (card.kind !== "output") continue;
    const maker = graph.nodes.find((node) => node.outputs.includes(card.subtitle));
    if (maker) edges.add(`${cardOf(maker.id)},${cards.indexOf(card)}`);
  }
  return edges;
}

test("every node is in one card, edges are those of the values and lead forward, at every level", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 0, max: 1e6 }),
      fc.constantFrom("nodes", "chains", "blocks"),
      (size, seed, level) => {
        const graph = randomNetwork(size, seed, 5);
        const folded = foldGraph(graph, { level, blocksAbove: 3 });
        expect(folded.cards.flatMap((card) => card.nodeIds).sort()).toEqual(graph.nodes.map(({ id }) => id).sort());
        expect(new Set(folded.edges.map(String))).toEqual(naiveEdges(graph, folded));
        for (const [from, to] of folded.edges) expect(from).toBeLessThan(to);
        expect(new Set(folded.cards.map((card) => card.id)).size).toBe(folded.cards.length);
        expect(foldGraph(structuredClone(graph), { level, blocksAbove: 3 })).toEqual(folded);
      },
    ),
    { numRuns: 60, seed: 5 },
  );
});

test("unfolding a block shows its layers, unfolding those their nodes, and folding back restores it", () => {
  const graph = transformer(10);
  const folded = foldGraph(graph);
  const block = folded.cards.find((card) => card.kind === "block")!;
  const opened = foldGraph(graph, { unfolded: new Set([block.id]) });
  const inside = opened.cards.filter((card) => card.parent === block.id);
  expect(inside.flatMap((card) => card.nodeIds).sort()).toEqual([...block.nodeIds].sort());
  const chain = inside.find((card) => card.kind === "chain")!;
  const nodes = foldGraph(graph, { unfolded: new Set([block.id, chain.id]) });
  expect(nodes.cards.filter((card) => card.parent === chain.id).map((card) => card.kind)).toEqual(["node", "node"]);
  expect(foldGraph(graph, { unfolded: new Set() })).toEqual(folded);
});

test("an unfolded quantized layer is one connected path, its weight's dequantization with the layer", () => {
  const { cards, edges } = foldGraph(mobileNet({ qdq: true }), { unfolded: new Set(["chain:block0.dw"]) });
  const inside = cards.flatMap((card, index) => (card.parent === "chain:block0.dw" ? [index] : []));
  expect(inside.map((index) => cards[index]!.title)).toEqual(["Conv", "Relu", "QuantizeLinear", "DequantizeLinear"]);
  expect(cards[inside[0]!]!.nodeIds).toEqual(["block0.dw.wdq", "block0.dw"]);
  for (const index of inside) expect(edges.some(([, to]) => to === index)).toBe(true);
});

test("finds a repeated block after something else, and only true repeats", () => {
  const repeated = fc.tuple(
    fc.array(fc.integer({ min: 10, max: 12 }), { minLength: 1, maxLength: 4 }),
    fc.array(fc.nat(2), { minLength: 2, maxLength: 4 }),
    fc.integer({ min: 2, max: 4 }),
  );
  fc.assert(
    fc.property(repeated, ([before, block, count]) => {
      const labels = [...before, ...Array.from({ length: count }, () => block).flat()].map(String);
      const producers = labels.map((_, i) => (i === 0 ? [] : [i - 1]));
      const runs = findRuns(labels, producers);
      let end = 0;
      for (const run of runs) {
        expect(run.start).toBeGreaterThanOrEqual(end);
        end = run.start + run.length * run.count;
        const words = Array.from({ length: run.count }, (_, k) =>
          labels.slice(run.start + k * run.length, run.start + (k + 1) * run.length).join(),
        );
        expect(new Set(words).size).toBe(1);
        expect(run.count).toBeGreaterThan(1);
      }
      // The labels before it are others, so all that was repeated is covered.
      const later = runs.filter((run) => run.start >= before.length);
      expect(later.reduce((sum, run) => sum + run.length * run.count, 0)).toBe(block.length * count);
    }),
    { numRuns: 200, seed: 9 },
  );
});

test("a swish is part of its layer; a residual is not", () => {
  const net = networkBuilder();
  const a = net.add("Conv", ["x", "w"], { id: "a" });
  const swish = net.add("Mul", [a, net.add("Sigmoid", [a])]);
  const b = net.add("Conv", [swish, "w"], { id: "b" });
  const sum = net.add("Add", [b, swish], { id: "sum" });
  const { cards } = foldGraph(net.done(["x"], [sum]));
  expect(cards.map((card) => card.title)).toEqual(["Input", "Conv + Sigmoid + Mul", "Conv", "Add", "Output"]);
});

test("an empty graph, a cycle and unordered nodes do no harm", () => {
  expect(foldGraph({ nodes: [] }).cards).toEqual([]);
  const node = (id: string, inputs: string[]) => ({ id, name: id, opType: "Conv", inputs, outputs: [`${id}!`] });
  expect(foldGraph({ nodes: [node("a", ["b!"]), node("b", ["a!"])] }).cards).toHaveLength(2);
  const unordered = foldGraph({ nodes: [node("b", ["a!"]), node("a", ["x"])], inputs: ["x"] });
  expect(unordered.cards.map((card) => card.main)).toEqual(["input:x", "a", "b"]);
});

test("what names have in common ends at a separator", () => {
  expect(commonName(["layer.0.query", "layer.0.up"])).toBe("layer.0");
  expect(commonName(["/h.10/attn", "/h.11/attn"])).toBe("h");
  expect(commonName(["abc", "abd"])).toBe("");
  expect(commonName([])).toBe("");
});
