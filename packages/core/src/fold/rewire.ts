import { type Graph, type Node, subgraphsOf, type Tensor } from "../graph/index.js";
import type { FoldScope } from "./fold-scope.js";

/**
 * Removes a node that passes an input (by default its first) on as its first output. Graph outputs keep their names: then the producer
 * takes the output's name over. Returns the reason where neither is possible, and changes nothing then.
 */
export function bypass(scope: FoldScope, node: Node, input = 0): string | undefined {
  const { wiring, graph } = scope;
  const from = node.outputs[0]!;
  const to = node.inputs[input]!;
  if (!wiring.isOutput(from)) {
    if (wiring.isCaptured(from) && isInnerOutput(graph, from))
      return `its output "${from}" is the output of a subgraph`;
    wiring.remove(node);
    wiring.replaceReaders(from, to);
    return undefined;
  }
  const producer = wiring.producer(to);
  if (!producer) return `it connects graph output "${from}" to an input or a constant`;
  if (wiring.isOutput(to)) return "its input and its output are both graph outputs";
  if (wiring.isCaptured(to) && isInnerOutput(graph, to)) return `its input "${to}" is the output of a subgraph`;
  wiring.remove(node);
  wiring.setOutput(producer, producer.outputs.indexOf(to), from);
  wiring.replaceReaders(to, from);
  return undefined;
}

/** True when a subgraph returns the outer value as it is: its output would have to be renamed with it. */
function isInnerOutput(graph: Graph, value: string): boolean {
  return graph.nodes.some((node) =>
    subgraphsOf(node).some((inner) => inner.outputs.some(({ name }) => name === value) || isInnerOutput(inner, value)),
  );
}

/**
 * Gives input `index` of a node a new constant: in the place of the old one where nobody else reads it, else under a fresh
 * name, so that the other readers of a shared initializer keep their values.
 */
export function setConstant(scope: FoldScope, node: Node, index: number, value: Tensor, stem: string): void {
  const { graph, wiring, names } = scope;
  const old = node.inputs[index] ?? "";
  if (old !== "" && scope.ownConstant(old) && wiring.reads(old) === 1) {
    graph.initializers.set(old, value);
    return;
  }
  const name = names.allocate(old || stem);
  graph.initializers.set(name, value);
  wiring.setInput(node, index, name);
}
