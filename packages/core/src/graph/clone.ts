import type { Attribute, Graph, Model, Node } from "./document.js";
import { capturedValues } from "./index-graph.js";
import { sourceOf, withSource } from "./proto.js";
import type { Tensor } from "./tensor.js";

/** Copies the structure of a model; tensors, types and attributes are immutable and shared. */
export function cloneModel(model: Model): Model {
  const copy: Model = {
    ...model,
    opsets: new Map(model.opsets),
    graph: cloneGraph(model.graph),
    metadata: new Map(model.metadata),
  };
  return withSource(copy, sourceOf(model));
}

/**
 * A copy with some of the nodes, in their order, and the constants that they read; whoever asks says what its inputs and outputs
 * are. Costs what the part costs: a network that is run layer by layer is not copied for each of them.
 */
export function partOf(model: Model, nodes: readonly Node[]): Model {
  const { graph } = model;
  const initializers = new Map<string, Tensor>();
  for (const node of nodes) {
    for (const value of [...node.inputs, ...capturedValues(node)]) {
      const tensor = graph.initializers.get(value);
      if (tensor) initializers.set(value, tensor);
    }
  }
  const part: Graph = { ...graph, nodes: nodes.map(cloneNode), initializers, valueInfos: new Map() };
  const opsets = new Map(model.opsets);
  return withSource(
    { ...model, opsets, graph: withSource(part, sourceOf(graph)), metadata: new Map(model.metadata) },
    sourceOf(model),
  );
}

function cloneGraph(graph: Graph): Graph {
  const copy: Graph = {
    name: graph.name,
    nodes: graph.nodes.map(cloneNode),
    inputs: [...graph.inputs],
    outputs: [...graph.outputs],
    initializers: new Map(graph.initializers),
    valueInfos: new Map(graph.valueInfos),
  };
  return withSource(copy, sourceOf(graph));
}

export function cloneNode(node: Node): Node {
  const attributes = new Map<string, Attribute>();
  for (const [name, attribute] of node.attributes) attributes.set(name, cloneAttribute(attribute));
  const copy: Node = { ...node, inputs: [...node.inputs], outputs: [...node.outputs], attributes };
  return withSource(copy, sourceOf(node));
}

function cloneAttribute(attribute: Attribute): Attribute {
  if (attribute.type === "graph") {
    return withSource({ type: "graph", value: cloneGraph(attribute.value) }, sourceOf(attribute));
  }
  if (attribute.type === "graphs") {
    return withSource({ type: "graphs", value: attribute.value.map(cloneGraph) }, sourceOf(attribute));
  }
  return attribute;
}
