import { capturedValues, type Graph, type NameAllocator, type Node } from "../graph/index.js";

/** Where a quantized copy of a value is put. */
export interface ValuePlace {
  /** Name under which the float value is made now. */
  readonly source: string;
  /** The value is an output of the graph: the quantized copy takes over its name, and with it every reader. */
  readonly isOutput: boolean;
  /** Nodes that go on reading the float value. */
  readonly untouched: readonly Node[];
}

/**
 * Makes room for the quantized copy of a value. An output of the graph keeps its name: what was made under it is renamed.
 * A float operator may read the input of the network as it is; elsewhere the float value vanishes in the integer kernel.
 */
export function placeOf(graph: Graph, names: NameAllocator, value: string, integer: ReadonlySet<Node>): ValuePlace {
  const isInput = graph.inputs.some(({ name }) => name === value);
  const untouched = isInput ? graph.nodes.filter((node) => !integer.has(node)) : [];
  if (isInput || !graph.outputs.some(({ name }) => name === value))
    return { source: value, isOutput: false, untouched };
  const source = names.allocate(`${value}_float`);
  for (const node of graph.nodes) node.outputs = node.outputs.map((output) => (output === value ? source : output));
  return { source, isOutput: true, untouched };
}

/** Removes those of the initializers that nothing reads any more, subgraphs and outputs included. */
export function dropUnused(graph: Graph, initializers: Iterable<string>): void {
  const unused = new Set(initializers);
  for (const { name } of graph.outputs) unused.delete(name);
  for (const node of graph.nodes) {
    for (const value of [...node.inputs, ...capturedValues(node)]) unused.delete(value);
  }
  for (const name of unused) graph.initializers.delete(name);
  // Before IR version 4 initializers are graph inputs as well; a removed one must not remain as a required input.
  graph.inputs = graph.inputs.filter(({ name }) => !unused.has(name));
}
