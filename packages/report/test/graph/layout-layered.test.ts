import fc from "fast-check";
import { expect, test } from "vitest";
import { foldGraph } from "../../src/graph/fold-graph.js";
import { crossings, depthFirst, orderLayers } from "../../src/graph/layer-order.js";
import { type Places, placesOf } from "../../src/graph/layer-places.js";
import { layoutLayered, MAX_PASSING } from "../../src/graph/layout-layered.js";
import { layoutLongestPath, passingCount, type Structure } from "../../src/graph/layout-layers.js";
import { CARD, type GraphLayout } from "../../src/graph/types.js";
import { mobileNet, transformer } from "./networks.js";

const structureOf = (folded: ReturnType<typeof foldGraph>): Structure => ({
  count: folded.cards.length,
  edges: folded.edges,
});

/** Any acyclic structure: every card may read from earlier ones. */
const structures = fc
  .array(fc.uniqueArray(fc.nat(30), { maxLength: 3 }), { minLength: 1, maxLength: 40 })
  .map((backs): Structure => {
    const pairs = new Set<string>();
    backs.forEach((list, to) => {
      for (const back of list) if (to - 1 - back >= 0) pairs.add(`${to - 1 - back},${to}`);
    });
    return {
      count: backs.length,
      edges: [...pairs].map((pair) => pair.split(",").map(Number) as unknown as readonly [number, number]),
    };
  });

/** Number of pairs of cards that overlap, by comparing each with each. */
function overlaps({ x, y }: GraphLayout): number {
  let found = 0;
  for (let a = 0; a < x.length; a++) {
    for (let b = a + 1; b < x.length; b++) {
      if (Math.abs(x[a]! - x[b]!) < CARD.width - 1e-6 && Math.abs(y[a]! - y[b]!) < CARD.height - 1e-6) found++;
    }
  }
  return found;
}

function checkLayout({ count, edges }: Structure, layout: GraphLayout): void {
  expect(layout.x).toHaveLength(count);
  expect(overlaps(layout)).toBe(0);
  const wrong: string[] = [];
  const near = (a: number, b: number) => Math.abs(a - b) < 1e-6;
  edges.forEach(([from, to], edge) => {
    const line = layout.lines[edge]!;
    const name = `${from} → ${to}`;
    if (layout.rows[to]! <= layout.rows[from]!) wrong.push(`${name} does not lead to a later layer`);
    // Down within a column; otherwise to one further right.
    const right = layout.x[to]! > layout.x[from]! + CARD.width / 2;
    if (layout.y[to]! <= layout.y[from]! && !right) wrong.push(`${name} leads up`);
    if (!near(line[0]!, layout.x[from]!) || !near(line[1]!, layout.y[from]! + CARD.height / 2))
      wrong.push(`${name} start`);
    if (!near(line.at(-2)!, layout.x[to]!) || !near(line.at(-1)!, layout.y[to]! - CARD.height / 2))
      wrong.push(`${name} end`);
  });
  for (let card = 0; card < count; card++) {
    const [x, y] = [layout.x[card]!, layout.y[card]!];
    const inside =
      x - CARD.width / 2 > -1e-6 &&
      x + CARD.width / 2 < layout.width + 1e-6 &&
      y - CARD.height / 2 > -1e-6 &&
      y + CARD.height / 2 < layout.height + 1e-6;
    if (!inside) wrong.push(`${card} is outside`);
  }
  expect(wrong).toEqual([]);
}

test.each([
  ["layered", layoutLayered],
  ["longest path", layoutLongestPath],
] as const)("%s: cards do not overlap, edges lead down, equal structures lie equally", (_, layout) => {
  fc.assert(
    fc.property(structures, (structure) => {
      const first = layout(structure);
      checkLayout(structure, first);
      expect(layout(structure)).toEqual(first);
    }),
    { numRuns: 60, seed: 11 },
  );
});

test("real shapes: a long network is broken into columns, wider than high", () => {
  for (const graph of [mobileNet({ batchNorm: true }), transformer(6)]) {
    for (const level of ["blocks", "nodes"] as const) {
      const structure = structureOf(foldGraph(graph, { level, blocksAbove: 20 }));
      const layout = layoutLayered(structure);
      checkLayout(structure, layout);
      expect(layout.method).toBe("layered");
      expect(layout.width / layout.height).toBeGreaterThan(0.4);
      expect(layout.width / layout.height).toBeLessThan(5);
    }
  }
});

test("a graph whose edges pass too many layers takes the longest-path layout without trying", () => {
  const count = 470;
  const chain = Array.from({ length: count - 1 }, (_, i) => [i, i + 1] as const);
  const fan = Array.from({ length: count - 2 }, (_, i) => [0, i + 2] as const);
  const structure = { count, edges: [...chain, ...fan] };
  expect(passingCount(structure)).toBeGreaterThan(MAX_PASSING);
  const layout = layoutLayered(structure);
  expect(layout.method).toBe("longest-path");
  checkLayout(structure, layout);
});

/** Pairs of links between the same layers that cross, each compared with each. */
function naiveCrossings(order: readonly (readonly number[])[], links: Places["links"]): number {
  const at = new Map(order.flatMap((layer, row) => layer.map((place, i) => [place, { row, i }] as const)));
  let found = 0;
  links.forEach(([a, b], one) => {
    for (const [c, d] of links.slice(one + 1)) {
      if (at.get(a)!.row !== at.get(c)!.row) continue;
      if ((at.get(a)!.i - at.get(c)!.i) * (at.get(b)!.i - at.get(d)!.i) < 0) found++;
    }
  });
  return found;
}

test("crossings are counted, and ordering the layers never adds one", () => {
  fc.assert(
    fc.property(structures, (structure) => {
      const places = placesOf(structure);
      const order = orderLayers(places);
      expect(order.map((layer) => [...layer].sort((a, b) => a - b))).toEqual(places.layers);
      const position = new Float64Array(places.above.start.length - 1);
      for (const layer of order) for (const [i, place] of layer.entries()) position[place] = i;
      const counted = crossings(order, places.below, position);
      expect(counted).toBe(naiveCrossings(order, places.links));
      expect(counted).toBeLessThanOrEqual(naiveCrossings(depthFirst(places), places.links));
    }),
    { numRuns: 60, seed: 12 },
  );
});

test("what can be drawn without a crossing is; a chain stands upright", () => {
  const folded = structureOf(foldGraph(transformer(6), { level: "nodes" }));
  const places = placesOf(folded);
  expect(naiveCrossings(orderLayers(places), places.links)).toBe(0);
  const chain = { count: 7, edges: [0, 1, 2, 3, 4, 5].map((i) => [i, i + 1] as const) };
  const { x } = layoutLayered(chain);
  expect(new Set(x).size).toBe(1);
});

test("2000 cards are laid out in a tenth of a second, 10,000 in half a second", () => {
  const timed = (layers: number) => {
    const structure = structureOf(foldGraph(transformer(layers), { level: "nodes" }));
    let best = Infinity;
    for (let i = 0; i < 3; i++) {
      const before = process.cpuUsage();
      expect(layoutLayered(structure).method).toBe("layered");
      best = Math.min(best, process.cpuUsage(before).user / 1000);
    }
    return best;
  };
  // Processor time of this process, four times the bar: other tests run at the same time.
  expect(timed(50)).toBeLessThan(400);
  expect(timed(250)).toBeLessThan(2000);
});
