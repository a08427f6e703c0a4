import type { Graph, Node } from "./document.js";
import { subgraphsOf } from "./document.js";
import { capturedValues, localValues, topologicalOrder } from "./index-graph.js";
import { carriedValues, sourceOf, withSource } from "./proto.js";

/** Gives out value and node names that a graph and its subgraphs do not use yet. */
export class NameAllocator {
  readonly #taken = new Set<string>();
  /** Where to go on counting for a base: graphs have thousands of values of one stem. */
  readonly #counts = new Map<string, number>();

  constructor(graph: Graph) {
    this.#collect(graph);
  }

  #collect(graph: Graph): void {
    for (const { name } of [...graph.inputs, ...graph.outputs]) this.#taken.add(name);
    for (const name of graph.initializers.keys()) this.#taken.add(name);
    for (const name of graph.valueInfos.keys()) this.#taken.add(name);
    for (const name of carriedValues(graph)) this.#taken.add(name);
    for (const node of graph.nodes) {
      this.#taken.add(node.name);
      for (const value of [...node.inputs, ...node.outputs]) this.#taken.add(value);
      for (const inner of subgraphsOf(node)) this.#collect(inner);
    }
  }

  /** `base` if it is free, else `base_1`, `base_2`, …; never gives out the same name twice. */
  allocate(base: string): string {
    const stem = base === "" ? "value" : base;
    let name = stem;
    let count = this.#counts.get(stem) ?? 1;
    for (; this.#taken.has(name); count++) name = `${stem}_${count}`;
    this.#counts.set(stem, count);
    this.#taken.add(name);
    return name;
  }
}

/**
 * Makes every reader of `from` read `to`, subgraphs included where they do not have a value of that name themselves.
 * Outputs of the graph keep their names.
 */
export function replaceUses(graph: Graph, from: string, to: string): void {
  for (const node of graph.nodes) replaceIn(node, from, to);
}

function replaceIn(node: Node, from: string, to: string): void {
  if (node.inputs.includes(from)) node.inputs = node.inputs.map((value) => (value === from ? to : value));
  for (const inner of subgraphsOf(node)) replaceCaptured(inner, from, to);
}

/** Who reads each value: for whoever renames many values of one graph, which {@link replaceUses} would go through for each. */
export class Uses {
  readonly #readers = new Map<string, Set<Node>>();

  constructor(graph: Graph) {
    for (const node of graph.nodes) this.add(node);
  }

  /** A node that came later, or that reads other values than before. */
  add(node: Node): void {
    for (const value of [...node.inputs, ...capturedValues(node)]) {
      const readers = this.#readers.get(value);
      if (readers) readers.add(node);
      else this.#readers.set(value, new Set([node]));
    }
  }

  /** As {@link replaceUses}, but for some nodes. */
  replace(from: string, to: string, except?: ReadonlySet<Node>): void {
    for (const node of [...(this.#readers.get(from) ?? [])]) {
      if (except?.has(node)) continue;
      replaceIn(node, from, to);
      this.#readers.get(from)!.delete(node);
      this.add(node);
    }
  }
}

function replaceCaptured(graph: Graph, from: string, to: string): void {
  if (localValues(graph).has(from)) return;
  replaceUses(graph, from, to);
  // The outputs of a subgraph are found by position, so one that passes an outer value on may change its name.
  graph.outputs = graph.outputs.map((info) =>
    info.name === from ? withSource({ ...info, name: to }, sourceOf(info)) : info,
  );
}

/** Removes nodes whose outputs nobody reads, then initializers and value infos nobody names. Graph inputs stay. */
export function removeDead(graph: Graph): { nodes: Node[]; initializers: string[] } {
  const live = new Set(graph.outputs.map(({ name }) => name));
  const kept: Node[] = [];
  const dead: Node[] = [];
  for (const node of topologicalOrder(graph).reverse()) {
    if (!node.outputs.some((output) => output !== "" && live.has(output))) {
      dead.push(node);
      continue;
    }
    kept.push(node);
    for (const value of node.inputs) live.add(value);
    for (const value of capturedValues(node)) live.add(value);
  }
  const keep = new Set(kept);
  graph.nodes = graph.nodes.filter((node) => keep.has(node));
  const initializers = [...graph.initializers.keys()].filter((name) => !live.has(name));
  for (const name of initializers) graph.initializers.delete(name);
  const values = new Set([
    ...graph.nodes.flatMap((node) => node.outputs),
    ...graph.inputs.map(({ name }) => name),
    ...graph.initializers.keys(),
    ...carriedValues(graph),
  ]);
  for (const name of [...graph.valueInfos.keys()]) if (!values.has(name)) graph.valueInfos.delete(name);
  // Before IR version 4 initializers are graph inputs as well; a removed one must not remain as a required input.
  const removed = new Set(initializers);
  graph.inputs = graph.inputs.filter(({ name }) => !removed.has(name));
  return { nodes: dead.reverse(), initializers };
}

/** Restores topological order after nodes were appended. */
export function sortNodes(graph: Graph): void {
  graph.nodes = topologicalOrder(graph);
}

/** Graph inputs that a caller must feed: those without an initializer as default. */
export function requiredInputs(graph: Graph): Graph["inputs"] {
  return graph.inputs.filter(({ name }) => !graph.initializers.has(name));
}
