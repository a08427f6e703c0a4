import type { GraphSummary } from "./types.js";

/** Who feeds whom, by node index. Node order is topological even where the summary's is not. */
export interface SummaryIndex {
  readonly order: readonly number[];
  /** Distinct producers and consumers of a node, ascending. */
  readonly producers: readonly (readonly number[])[];
  readonly consumers: readonly (readonly number[])[];
  readonly producerOf: ReadonlyMap<string, number>;
}

/**
 * Edges and a topological order; among nodes that are ready, the earlier in the summary goes first. Nodes on a cycle
 * (no valid ONNX graph has one) come last, in the order of the summary, and edges that go back are dropped.
 */
export function indexSummary(graph: GraphSummary): SummaryIndex {
  const producerOf = new Map<string, number>();
  graph.nodes.forEach((node, index) => {
    for (const output of node.outputs) if (output !== "") producerOf.set(output, index);
  });
  const all = graph.nodes.map((node, index) => {
    const found = new Set<number>();
    for (const input of node.inputs) {
      const producer = producerOf.get(input);
      if (producer !== undefined && producer !== index) found.add(producer);
    }
    return [...found].sort((a, b) => a - b);
  });
  const order = orderOf(all);
  const rank = new Int32Array(all.length);
  order.forEach((node, position) => {
    rank[node] = position;
  });
  const producers = all.map((list, node) => list.filter((producer) => rank[producer]! < rank[node]!));
  return { order, producers, consumers: invert(producers), producerOf };
}

/** Who reads each, from whom each reads. */
function invert(producers: readonly (readonly number[])[]): number[][] {
  const consumers: number[][] = producers.map(() => []);
  producers.forEach((list, node) => {
    for (const producer of list) consumers[producer]!.push(node);
  });
  return consumers;
}

/**
 * Topological order, smallest ready index first where the summary is already in order (then it is the identity);
 * otherwise depth first from each node in turn, so that what belongs together stays together.
 */
export function orderOf(producers: readonly (readonly number[])[]): number[] {
  const order: number[] = [];
  const state = new Uint8Array(producers.length);
  for (let root = 0; root < producers.length; root++) {
    const stack: { node: number; next: number }[] = state[root] === 0 ? [{ node: root, next: 0 }] : [];
    state[root] ||= 1;
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const producer = producers[top.node]![top.next++];
      if (producer === undefined) {
        state[top.node] = 2;
        order.push(top.node);
        stack.pop();
      } else if (state[producer] === 0) {
        state[producer] = 1;
        stack.push({ node: producer, next: 0 });
      }
    }
  }
  return order;
}
