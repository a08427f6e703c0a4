import { type Graph, labelOf, type Model, type Node } from "./document.js";
import type { Tensor } from "./tensor.js";

/** A constant of a model and where it stands. */
export interface PlacedTensor {
  readonly tensor: Tensor;
  /** Name of the initializer, or of the node and its attribute. */
  readonly name: string;
  readonly graph: Graph;
  /** The node whose attribute holds it; undefined for initializers. */
  readonly node: Node | undefined;
}

/** Every constant of a model: initializers and attributes, subgraphs included, in document order. */
export function* tensorsOf(model: Model): Generator<PlacedTensor> {
  yield* tensorsOfGraph(model.graph);
}

function* tensorsOfGraph(graph: Graph): Generator<PlacedTensor> {
  for (const [name, tensor] of graph.initializers) yield { tensor, name, graph, node: undefined };
  for (const node of graph.nodes) {
    for (const [key, attribute] of node.attributes) {
      if (attribute.type === "tensor") yield { tensor: attribute.value, name: `${labelOf(node)}.${key}`, graph, node };
      else if (attribute.type === "graph") yield* tensorsOfGraph(attribute.value);
      else if (attribute.type === "graphs") for (const inner of attribute.value) yield* tensorsOfGraph(inner);
    }
  }
}
