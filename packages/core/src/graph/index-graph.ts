import { ModelError } from "../errors.js";
import { type Graph, labelOf, type Node, subgraphsOf } from "./document.js";
import { carriedValues } from "./proto.js";

/** One use of a value: a node and which of its inputs; input −1 is a use inside a subgraph of the node. */
export interface Use {
  readonly node: Node;
  readonly input: number;
}

/** Who makes and who reads every value of a graph. A snapshot: build a new one after editing. */
export interface GraphIndex {
  /** The node that outputs the value; undefined for graph inputs and initializers. */
  producer(value: string): Node | undefined;
  /** Uses in node order. Graph outputs are not uses: see {@link isOutput}. */
  uses(value: string): readonly Use[];
  /** The only consumer, when exactly one node reads the value once and it is no graph output. */
  onlyConsumer(value: string): Node | undefined;
  isInput(value: string): boolean;
  isOutput(value: string): boolean;
}

const NO_USES: readonly Use[] = [];

export function indexGraph(graph: Graph): GraphIndex {
  const producers = new Map<string, Node>();
  const uses = new Map<string, Use[]>();
  const add = (value: string, use: Use) => {
    if (value === "") return;
    const list = uses.get(value);
    if (list) list.push(use);
    else uses.set(value, [use]);
  };
  for (const node of graph.nodes) {
    for (const output of node.outputs) if (output !== "") producers.set(output, node);
    node.inputs.forEach((value, input) => {
      add(value, { node, input });
    });
    for (const value of capturedValues(node)) add(value, { node, input: -1 });
  }
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  return {
    producer: (value) => producers.get(value),
    uses: (value) => uses.get(value) ?? NO_USES,
    onlyConsumer(value) {
      const list = uses.get(value);
      return list?.length === 1 && !outputs.has(value) && list[0]!.input >= 0 ? list[0]!.node : undefined;
    },
    isInput: (value) => inputs.has(value),
    isOutput: (value) => outputs.has(value),
  };
}

/** Values that a graph itself has: inputs, constants, and what its nodes make. */
export function localValues(graph: Graph): Set<string> {
  const local = new Set([...graph.initializers.keys(), ...carriedValues(graph)]);
  for (const { name } of graph.inputs) local.add(name);
  for (const node of graph.nodes) for (const output of node.outputs) local.add(output);
  return local;
}

/** Values of outer scopes that the subgraphs of a node read. */
export function capturedValues(node: Node): Set<string> {
  const captured = new Set<string>();
  for (const graph of subgraphsOf(node)) {
    const local = localValues(graph);
    const read = (value: string) => {
      if (value !== "" && !local.has(value)) captured.add(value);
    };
    for (const inner of graph.nodes) {
      inner.inputs.forEach(read);
      capturedValues(inner).forEach(read);
    }
    for (const { name } of graph.outputs) read(name);
  }
  return captured;
}

/**
 * Nodes in an order where every value is made before it is read; nodes that are ready keep their order.
 * @throws {ModelError} E3003 on a cycle, naming a node on it.
 */
export function topologicalOrder(graph: Graph): Node[] {
  const makers = new Map<string, number>();
  graph.nodes.forEach((node, index) => {
    for (const output of node.outputs) if (output !== "") makers.set(output, index);
  });
  const order: Node[] = [];
  const state = new Uint8Array(graph.nodes.length);
  // Depth first with an explicit stack: graphs of 20,000 nodes in a line are legal.
  for (let root = 0; root < graph.nodes.length; root++) {
    const stack: { index: number; dependencies: number[]; next: number }[] = [];
    const enter = (index: number) => {
      state[index] = 1;
      const node = graph.nodes[index]!;
      const values = subgraphsOf(node).length > 0 ? [...node.inputs, ...capturedValues(node)] : node.inputs;
      const dependencies = values.flatMap((value) => makers.get(value) ?? []);
      stack.push({ index, dependencies, next: 0 });
    };
    if (state[root] === 0) enter(root);
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const dependency = top.dependencies[top.next++];
      if (dependency === undefined) {
        state[top.index] = 2;
        order.push(graph.nodes[top.index]!);
        stack.pop();
      } else if (state[dependency] === 1) {
        const node = graph.nodes[dependency]!;
        throw new ModelError("E3003", `graph: cycle through node "${labelOf(node)}" (${node.opType})`, {
          node: labelOf(node),
          opType: node.opType,
        });
      } else if (state[dependency] === 0) enter(dependency);
    }
  }
  return order;
}
