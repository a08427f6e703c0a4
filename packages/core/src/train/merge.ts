import { PreconditionError } from "../errors.js";
import { cloneNode, type Graph, labelOf, type Model, subgraphsOf } from "../graph/index.js";

/**
 * Appends the nodes of `other` to a graph, names prefixed, its inputs bound to values of the graph.
 * @returns The name under which a value of `other` is found.
 * @throws {PreconditionError} E4005 the opsets differ, or a node has a subgraph.
 */
export function appendModel(
  target: Model,
  other: Model,
  prefix: string,
  inputs: ReadonlyMap<string, string>,
): (value: string) => string {
  const graph: Graph = target.graph;
  const opset = target.opsets.get("");
  if (other.opsets.get("") !== opset) {
    throw new PreconditionError("E4005", `train: teacher has opset ${other.opsets.get("")}, expected ${opset}`, {
      expected: opset,
      actual: other.opsets.get(""),
      hint: "upgrade both models to the same opset first",
    });
  }
  const rename = (value: string) => (value === "" ? "" : (inputs.get(value) ?? prefix + value));
  for (const [name, tensor] of other.graph.initializers) graph.initializers.set(prefix + name, tensor);
  for (const node of other.graph.nodes) {
    if (subgraphsOf(node).length > 0) {
      throw new PreconditionError("E4005", `train: teacher's node "${labelOf(node)}" has a subgraph`, {
        node: labelOf(node),
        opType: node.opType,
      });
    }
    const copy = cloneNode(node);
    copy.name = prefix + copy.name;
    copy.inputs = copy.inputs.map(rename);
    copy.outputs = copy.outputs.map(rename);
    graph.nodes.push(copy);
  }
  for (const [domain, version] of other.opsets) if (!target.opsets.has(domain)) target.opsets.set(domain, version);
  return rename;
}
