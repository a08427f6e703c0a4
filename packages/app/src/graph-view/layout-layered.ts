import {
  coordGreedy,
  decrossTwoLayer,
  graph,
  layeringLongestPath,
  sugiyama,
  twolayerAgg,
  twolayerGreedy,
} from "d3-dag";
import { finishLayout, layoutLongestPath, passingCount, type Structure } from "./layout-layers.js";
import { CARD, type GraphLayout } from "./types.js";

/**
 * Edges that pass layers add that many places to the layered layout, whose ordering grows with their square: above
 * this many the longest-path layout is taken without trying (a dense-skip graph of 6893 edges ran over a minute).
 */
export const MAX_PASSING = 8000;

/** Above this many cards they are ordered by the middle of their neighbours, in two passes: a third of the time. */
const MANY = 400;

/** Layered layout by d3-dag: longest path, two-layer greedy ordering. Synchronous; runs in the layout worker. */
export function layoutLayered(structure: Structure): GraphLayout {
  const { count, edges } = structure;
  if (count === 0 || passingCount(structure) > MAX_PASSING) return layoutLongestPath(structure);
  const dag = graph<number, number>();
  const nodes = Array.from({ length: count }, (_, card) => dag.node(card));
  edges.forEach(([from, to], edge) => {
    dag.link(nodes[from]!, nodes[to]!, edge);
  });
  sugiyama()
    .layering(layeringLongestPath())
    .decross(
      count > MANY
        ? decrossTwoLayer().order(twolayerAgg()).passes(2)
        : decrossTwoLayer().order(twolayerGreedy()).passes(12),
    )
    .coord(coordGreedy())
    .nodeSize([CARD.width, CARD.height])
    .gap([CARD.gapX, CARD.gapY])(dag);
  const x = new Float64Array(count);
  const y = new Float64Array(count);
  for (const node of dag.nodes()) {
    x[node.data] = node.x;
    y[node.data] = node.y;
  }
  const lines: Float64Array[] = [];
  for (const link of dag.links()) lines[link.data] = lineOf(link.points);
  return finishLayout(structure, x, y, lines, "layered");
}

/** d3-dag leads edges from centre to centre; ours leave at the bottom of a card and arrive at the top. */
function lineOf(points: readonly (readonly [number, number])[]): Float64Array {
  const line = new Float64Array(points.length * 2);
  points.forEach(([x, y], i) => {
    line[2 * i] = x;
    line[2 * i + 1] = y;
  });
  line[1]! += CARD.height / 2;
  line[line.length - 1]! -= CARD.height / 2;
  return line;
}
