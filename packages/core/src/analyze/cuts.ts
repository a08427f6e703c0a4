import { capturedValues, cloneModel, type Graph, type Model, type Node, removeDead } from "../graph/index.js";
import type { ObservedType } from "../runtime/index.js";

/** A value that everything behind it depends on alone: once it is known, nothing before it is needed. */
export interface Cut {
  readonly value: string;
  /** The cut lies behind this many nodes of the graph. */
  readonly after: number;
}

/** All cuts of a graph, in order, from its only input (behind no node) on; none before the graph's second input is used up. */
export function singleCuts(graph: Graph): Cut[] {
  const inputsOf = (node: Node) => [...node.inputs, ...capturedValues(node)];
  const pending = new Map<string, number>();
  for (const node of graph.nodes) for (const value of inputsOf(node)) add(pending, value, 1);
  const live = new Set(graph.inputs.map(({ name }) => name).filter((name) => !graph.initializers.has(name)));
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const cuts: Cut[] = [];
  const note = (after: number) => {
    if (live.size !== 1) return;
    const [value] = live;
    if (cuts.at(-1)?.value !== value) cuts.push({ value: value!, after });
  };
  note(0);
  graph.nodes.forEach((node, at) => {
    for (const value of inputsOf(node)) {
      if (add(pending, value, -1) === 0 && !outputs.has(value)) live.delete(value);
    }
    for (const value of node.outputs) {
      if (value !== "" && ((pending.get(value) ?? 0) > 0 || outputs.has(value))) live.add(value);
    }
    note(at + 1);
  });
  return cuts;
}

function add(counts: Map<string, number>, value: string, change: number): number {
  const count = (counts.get(value) ?? 0) + change;
  counts.set(value, count);
  return count;
}

/** The part of a model between one value and others; weights are shared. */
export function subModel(model: Model, input: string, type: ObservedType, outputs: readonly string[]): Model {
  const copy = cloneModel(model);
  const { graph } = copy;
  graph.nodes = graph.nodes.filter((node) => !node.outputs.includes(input));
  graph.inputs = [
    { name: input, dtype: type.dtype, shape: type.dims.map((dim, axis) => (axis > 0 ? dim : undefined)) },
  ];
  graph.outputs = outputs.map((name) => ({ name, dtype: undefined, shape: undefined }));
  removeDead(graph);
  return copy;
}
