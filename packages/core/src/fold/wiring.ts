import { capturedValues, type Graph, type Node, replaceUses, subgraphsOf } from "../graph/index.js";

/**
 * Who makes and who reads every value, kept right while nodes are edited: a fold that rebuilt the index after each of
 * thousands of edits would be quadratic. All edits of a pass go through here; {@link finish} writes the node list.
 */
export class Wiring {
  readonly graph: Graph;
  readonly #producers = new Map<string, Node>();
  readonly #readers = new Map<string, Set<Node>>();
  readonly #captured = new Map<string, Set<Node>>();
  readonly #removed = new Set<Node>();
  readonly #behind = new Map<Node, Node[]>();
  readonly #inputs: ReadonlySet<string>;
  readonly #outputs: ReadonlySet<string>;

  constructor(graph: Graph) {
    this.graph = graph;
    this.#inputs = new Set(graph.inputs.map(({ name }) => name));
    this.#outputs = new Set(graph.outputs.map(({ name }) => name));
    for (const node of graph.nodes) this.#enter(node);
  }

  #enter(node: Node): void {
    for (const output of node.outputs) if (output !== "") this.#producers.set(output, node);
    for (const value of node.inputs) if (value !== "") put(this.#readers, value, node);
    if (subgraphsOf(node).length === 0) return;
    for (const value of capturedValues(node)) put(this.#captured, value, node);
  }

  producer(value: string): Node | undefined {
    return this.#producers.get(value);
  }

  isInput(value: string): boolean {
    return this.#inputs.has(value);
  }

  isOutput(value: string): boolean {
    return this.#outputs.has(value);
  }

  isCaptured(value: string): boolean {
    return (this.#captured.get(value)?.size ?? 0) > 0;
  }

  isRemoved(node: Node): boolean {
    return this.#removed.has(node);
  }

  /** Nodes that read the value as an input, each once. Subgraphs that capture it: {@link isCaptured}. */
  readers(value: string): Node[] {
    return [...(this.#readers.get(value) ?? [])];
  }

  /** Number of reads: inputs of nodes, subgraphs, and being a graph output. */
  reads(value: string): number {
    let count = (this.#captured.get(value)?.size ?? 0) + (this.#outputs.has(value) ? 1 : 0);
    for (const node of this.#readers.get(value) ?? []) count += node.inputs.filter((input) => input === value).length;
    return count;
  }

  /** Why the value cannot disappear with its one reader, or undefined when `reader` alone reads it, once. */
  whyShared(value: string): string | undefined {
    if (this.#outputs.has(value)) return `its input "${value}" is a graph output`;
    if (this.isCaptured(value)) return `its input "${value}" is read by a subgraph`;
    return this.reads(value) > 1 ? `its input "${value}" has several consumers` : undefined;
  }

  setInput(node: Node, index: number, value: string): void {
    const old = node.inputs[index];
    while (node.inputs.length <= index) node.inputs.push("");
    node.inputs[index] = value;
    if (old !== undefined && old !== "" && !node.inputs.includes(old)) this.#readers.get(old)?.delete(node);
    if (value !== "") put(this.#readers, value, node);
  }

  setOutput(node: Node, index: number, value: string): void {
    const old = node.outputs[index];
    node.outputs[index] = value;
    if (old !== undefined && this.#producers.get(old) === node) this.#producers.delete(old);
    this.#producers.set(value, node);
  }

  /** Every reader of `from`, subgraphs included, reads `to` from now on. */
  replaceReaders(from: string, to: string): void {
    for (const node of this.readers(from)) {
      node.inputs.forEach((value, index) => {
        if (value === from) this.setInput(node, index, to);
      });
    }
    for (const node of this.#captured.get(from) ?? []) {
      for (const inner of subgraphsOf(node)) replaceUses(inner, from, to);
      put(this.#captured, to, node);
    }
    this.#captured.delete(from);
  }

  remove(node: Node): void {
    this.#removed.add(node);
    for (const output of node.outputs) if (this.#producers.get(output) === node) this.#producers.delete(output);
    for (const value of node.inputs) this.#readers.get(value)?.delete(node);
    for (const nodes of subgraphsOf(node).length > 0 ? this.#captured.values() : []) nodes.delete(node);
  }

  /** Puts a new node right behind another one. */
  insertBehind(anchor: Node, node: Node): void {
    const list = this.#behind.get(anchor);
    if (list) list.push(node);
    else this.#behind.set(anchor, [node]);
    this.#enter(node);
  }

  /** Writes the edited node list into the graph. */
  finish(): void {
    const nodes: Node[] = [];
    const add = (node: Node) => {
      if (!this.#removed.has(node)) nodes.push(node);
      for (const next of this.#behind.get(node) ?? []) add(next);
    };
    for (const node of this.graph.nodes) add(node);
    this.graph.nodes = nodes;
  }
}

function put(map: Map<string, Set<Node>>, value: string, node: Node): void {
  const set = map.get(value);
  if (set) set.add(node);
  else map.set(value, new Set([node]));
}
