import type { Attribute, Graph, Model, Node } from "./document.js";
import { sourceOf, withSource } from "./proto.js";

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

export function cloneGraph(graph: Graph): Graph {
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
