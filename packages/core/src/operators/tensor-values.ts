import { type Graph, type Model, type Node, subgraphsOf } from "../graph/document.js";
import { topologicalOrder } from "../graph/index-graph.js";
import { factsOf, type OperatorKind } from "./facts.js";

/** Kinds of operators whose outputs are what their inputs, or the outputs of their bodies, are. */
const PASSES: readonly (OperatorKind | undefined)[] = ["copy", "unwrap", "branch", "loop"];

/** Values of a graph, its bodies included, that are no tensors of numbers: nobody can fetch or measure them. */
export function valuesWithoutTensor(graph: Graph, outer: ReadonlySet<string> = new Set()): Set<string> {
  const found = new Set(outer);
  for (const node of topologicalOrder(graph)) {
    const kind = factsOf(node)?.kind;
    if (kind === "sequence") for (const output of node.outputs) found.add(output);
    else if (PASSES.includes(kind)) for (const output of passed(node, found)) found.add(output);
  }
  return found;
}

function passed(node: Node, found: ReadonlySet<string>): string[] {
  const bodies = subgraphsOf(node);
  if (bodies.length === 0) return node.inputs.some((input) => found.has(input)) ? [...node.outputs] : [];
  return node.outputs.filter((_, at) =>
    bodies.some((body) => {
      const inside = valuesWithoutTensor(body, found);
      // A loop's body gives its condition first.
      const output = body.outputs[node.opType === "Loop" ? at + 1 : at];
      return output !== undefined && inside.has(output.name);
    }),
  );
}

/** Names of the outputs that are tensors of numbers: those that can be fetched and compared. */
export function tensorOutputs({ graph }: Model): string[] {
  const without = valuesWithoutTensor(graph);
  return graph.outputs.filter(({ name, dtype }) => dtype !== "string" && !without.has(name)).map(({ name }) => name);
}
