import { RunError } from "../errors.js";
import { labelOf } from "../graph/index.js";
import { exposeValues, type Runner } from "../runtime/index.js";
import type { Checkpoint } from "./checkpoint.js";
import type { Feeds } from "./feeds.js";
import type { StepGraph } from "./step-graph.js";

const HINT = "lower the rate, add warmupSteps, or check the data and labels";

/** The error of a step whose loss is not finite, naming the weight or the first layer that is not. */
export async function divergence(runner: Runner, step: StepGraph, feeds: Feeds, index: number): Promise<RunError> {
  const error = (where: string, details: object) =>
    new RunError("E7003", `train: diverged at step ${index + 1}, ${where}`, {
      step: index + 1,
      hint: HINT,
      ...details,
    });
  for (const name of step.parameters.keys()) {
    if (!allFinite(feeds[name]!.data)) return error(`"${name}" is no longer finite`, { tensor: name });
  }
  const nodes = step.model.graph.nodes.filter(({ name }) => !/^(grad|update)\//.test(name));
  const values = nodes.flatMap((node) => node.outputs.filter((output) => output !== ""));
  const results = await runner.using(exposeValues(step.model, values), (session) => session.run(feeds), {
    optimization: "disabled",
    purpose: "train",
  });
  for (const node of nodes) {
    const bad = node.outputs.find((output) => output !== "" && !allFinite(results[output]!.data));
    if (bad !== undefined) {
      const where = `first in node "${labelOf(node)}" (${node.opType})`;
      return error(where, { node: labelOf(node), opType: node.opType, tensor: bad });
    }
  }
  return error("in the loss", { tensor: step.loss });
}

/** @throws {RunError} E7003 naming the first weight that is not finite after the epoch. */
export function requireFinite({ parameters, epoch }: Checkpoint): void {
  for (const [name, tensor] of parameters) {
    if (allFinite(tensor.array())) continue;
    throw new RunError("E7003", `train: diverged in epoch ${epoch}, "${name}" is no longer finite`, {
      epoch,
      tensor: name,
      hint: HINT,
    });
  }
}

function allFinite(values: ArrayLike<number | bigint>): boolean {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (typeof value === "number" && !Number.isFinite(value)) return false;
  }
  return true;
}
