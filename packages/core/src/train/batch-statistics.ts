import { PreconditionError } from "../errors.js";
import { type Graph, int, isOp, labelOf, NameAllocator } from "../graph/index.js";

/**
 * Turns every BatchNormalization to the statistics of its batch, and has it put out the updated running ones. In place.
 * @returns Running means and variances, and the values that replace them after a step.
 * @throws {PreconditionError} E4005 two nodes share their statistics.
 */
export function useBatchStatistics(graph: Graph): Map<string, string> {
  const names = new NameAllocator(graph);
  const next = new Map<string, string>();
  for (const node of graph.nodes) {
    if (!isOp(node, "BatchNormalization")) continue;
    const [mean = "", variance = ""] = node.inputs.slice(3);
    for (const name of [mean, variance]) {
      if (next.has(name) || !graph.initializers.has(name)) {
        const why = next.has(name) ? "shares its running statistics" : "has no constant running statistics";
        throw new PreconditionError("E4005", `train: node "${labelOf(node)}" ${why}`, {
          node: labelOf(node),
          opType: node.opType,
          hint: "train with batchNorm: 'running'",
        });
      }
      next.set(name, names.allocate(`${name}/next`));
    }
    node.attributes.set("training_mode", int(1));
    node.outputs = [node.outputs[0]!, next.get(mean)!, next.get(variance)!];
  }
  return next;
}
