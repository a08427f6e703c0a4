import { capturedValues, type Graph, type GraphIndex, indexGraph, type Node } from "../graph/index.js";
import { isMultiplying } from "../operators/macs.js";

/** One layer of a walk: what is run to reach it, from which kept values, and what is kept and forgotten after it. */
export interface WalkStep {
  /** Position of the layer in the list given to {@link planWalk}. */
  readonly layer: number;
  readonly nodes: ReadonlySet<Node>;
  /** Kept values the segment starts from. */
  readonly feeds: readonly string[];
  /** Cut values computed on the way that later steps start from. */
  readonly keep: readonly string[];
  /** Kept values that no later step needs. */
  readonly drop: readonly string[];
}

/**
 * Cuts a QDQ graph for a walk from layer to layer in topological order, so that each step runs only what lies between
 * kept values and its layer's output. Works on any DAG: a branch waits at its last cut until somebody joins it.
 *
 * Cut values are the outputs of QuantizeLinear (1 byte a value at 8 bits), and, where a float operator carries a value
 * past them, outputs of float layers. A layer's own output is never kept in its own step: its bias is about to change.
 * `layers` must be in topological order; a layer lies in the segments of the steps behind it, with its corrected bias.
 */
export function planWalk(graph: Graph, layers: readonly Node[], inputs: readonly string[]): WalkStep[] {
  const slicer = new Slicer(graph);
  let held = new Set(inputs);
  return layers.map((layer, at) => {
    const { nodes, hits } = slicer.back([layer.outputs[0]!], held);
    const cuts = new Set<string>();
    for (const node of nodes) {
      if (node === layer) continue;
      if (node.opType === "QuantizeLinear" || isMultiplying(node)) {
        for (const output of node.outputs) cuts.add(output);
      }
    }
    const roots = layers.slice(at + 1).map((later) => later.outputs[0]!);
    const needed = slicer.back(roots, new Set([...held, ...cuts])).hits;
    const step: WalkStep = {
      layer: at,
      nodes,
      feeds: [...hits],
      keep: [...cuts].filter((value) => needed.has(value)),
      drop: [...held].filter((value) => !needed.has(value)),
    };
    held = needed;
    return step;
  });
}

/**
 * Largest number of bytes one sample holds at any time of the walk: the kept values before a step, or after it.
 * `bytesOf` tells the size of a value for one sample.
 */
export function peakBytes(
  steps: readonly WalkStep[],
  inputs: readonly string[],
  bytesOf: (value: string) => number,
): number {
  const held = new Set(inputs);
  const total = () => [...held].reduce((sum, value) => sum + bytesOf(value), 0);
  let peak = total();
  for (const { keep, drop } of steps) {
    for (const value of drop) held.delete(value);
    for (const value of keep) held.add(value);
    peak = Math.max(peak, total());
  }
  return peak;
}

/** Backward slices of a graph, with the index built once. */
class Slicer {
  readonly #index: GraphIndex;

  constructor(graph: Graph) {
    this.#index = indexGraph(graph);
  }

  /** Nodes needed for `roots` when `stops` are known, and which of `stops` are read. */
  back(roots: readonly string[], stops: ReadonlySet<string>): { nodes: Set<Node>; hits: Set<string> } {
    const nodes = new Set<Node>();
    const hits = new Set<string>();
    const stack = [...roots];
    for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
      if (stops.has(value)) {
        hits.add(value);
        continue;
      }
      const node = this.#index.producer(value);
      if (!node || nodes.has(node)) continue;
      nodes.add(node);
      stack.push(...node.inputs.filter((input) => input !== ""), ...capturedValues(node));
    }
    return { nodes, hits };
  }
}
