import type { Calibration } from "../calibrate/index.js";
import { type Graph, type GraphIndex, indexGraph, labelOf, type Node } from "../graph/index.js";
import { linearLayerOf } from "../operators/index.js";
import type { FloatReasons, Placement } from "./placement.js";
import { calibratedSource } from "./sources.js";

/**
 * Inputs of a Concat near an output may differ in range by this factor. With one scale for both, 8 bits leave the smaller
 * less than 16 steps: detection heads that join boxes (0…640) and scores (0…1) lose every score.
 */
export const CONCAT_RANGE_RATIO = 16;

/**
 * Finds every Concat of the placement behind which no layer follows and whose inputs differ in range by more than
 * {@link CONCAT_RANGE_RATIO}. It and what follows stay in float, so that each input keeps its own encoding.
 */
export function keepHeadsApart(graph: Graph, placement: Placement, calibration: Calibration): FloatReasons {
  const index = indexGraph(graph);
  const reasons = new Map<Node, string>();
  for (const node of graph.nodes) {
    if (node.opType !== "Concat" || !placement.nodes.has(node)) continue;
    const behind = followers(index, node);
    if ([...behind].some((other) => linearLayerOf(graph, other) !== undefined)) continue;
    const ratio = rangeRatio(graph, index, node, calibration);
    if (!(ratio > CONCAT_RANGE_RATIO)) continue;
    reasons.set(node, `inputs differ ${Math.round(ratio)}× in range near an output: one scale would lose the smaller`);
    for (const other of behind) {
      if (!reasons.has(other)) reasons.set(other, `follows "${labelOf(node)}", which stays in float`);
    }
  }
  return reasons;
}

/** Every node that depends on what `start` makes. */
function followers(index: GraphIndex, start: Node): Set<Node> {
  const found = new Set<Node>();
  const stack = [start];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    for (const output of node.outputs) {
      for (const use of index.uses(output)) {
        if (found.has(use.node)) continue;
        found.add(use.node);
        stack.push(use.node);
      }
    }
  }
  return found;
}

/** Largest over smallest magnitude of the measured inputs; inputs that are always 0 fit any scale. */
function rangeRatio(graph: Graph, index: GraphIndex, concat: Node, calibration: Calibration): number {
  const magnitudes = concat.inputs.flatMap((input) => {
    const source = graph.initializers.has(input) ? undefined : calibratedSource(index, calibration, input);
    const statistics = source && calibration.values.get(source.value);
    const magnitude = statistics ? Math.max(-statistics.min, statistics.max) : 0;
    return magnitude > 0 ? [magnitude] : [];
  });
  return magnitudes.length > 1 ? Math.max(...magnitudes) / Math.min(...magnitudes) : 1;
}
