import { neededBounds } from "../bounds/index.js";
import { ModelError, PreconditionError } from "../errors.js";
import { indexGraph, labelOf, type Model, type Node } from "../graph/index.js";
import type { LayerParameters, QuantizationPlan } from "../quantize/index.js";
import type { Skip } from "../runtime/index.js";
import { LayerBias } from "./layer-bias.js";

/** What a quantized network was made from: values are matched by name. */
export interface QuantizedFrom {
  /** The float model the plan was made for. Not changed. */
  readonly floatModel: Model;
  readonly plan: QuantizationPlan;
}

/** A float network and its quantized form. */
export interface QuantizedPair extends QuantizedFrom {
  /** The float model as `applyQdq` left it. */
  readonly model: Model;
}

/** A layer to correct: in the quantized model (`parameters.layer.node`), in the float model, and its bias. */
export interface Target {
  readonly parameters: LayerParameters;
  readonly floatNode: Node;
  readonly bias: LayerBias;
}

/** The line of a gate: where the gate is closed it falls further in float than it can on integers, and nothing else shifts it. */
const CUT_OFF = "its input is cut off where it makes no difference, which moves its mean and nothing behind it";

/**
 * Layers of the plan in the order of the quantized graph, with their biases; those without one are skipped.
 * @throws {PreconditionError} E4005 `model` is not the plan's. @throws {ModelError} E3003 `floatModel` is not.
 */
export function findTargets(
  caller: string,
  { model, floatModel, plan }: QuantizedPair,
): { targets: Target[]; skipped: Skip[] } {
  const { graph } = model;
  const position = new Map(graph.nodes.map((node, at) => [node, at]));
  const floatNodes = new Map(floatModel.graph.nodes.map((node) => [node.outputs[0]!, node]));
  const floatIndex = indexGraph(floatModel.graph);
  const targets: Target[] = [];
  const skipped: Skip[] = [];
  for (const parameters of plan.parameters) {
    const { node, opType, output } = parameters.layer;
    if (!position.has(node)) {
      throw new PreconditionError("E4005", `${caller}: node "${labelOf(node)}" of the plan is not in the model`, {
        node: labelOf(node),
        hint: "pass the very model that applyQdq changed with this plan",
      });
    }
    const floatNode = floatNodes.get(output);
    if (!floatNode) {
      throw new ModelError("E3003", `${caller}: the float model makes no value "${output}"`, {
        tensor: output,
        hint: "pass a clone of the model taken just before applyQdq",
      });
    }
    const bias = LayerBias.of(graph, parameters);
    const { low } = neededBounds(floatModel.graph, floatIndex, parameters.layer.input);
    const reason = typeof bias === "string" ? bias : low === Number.NEGATIVE_INFINITY ? undefined : CUT_OFF;
    if (typeof bias === "string" || reason) skipped.push({ node: labelOf(node), opType, reason: reason! });
    else targets.push({ parameters, floatNode, bias });
  }
  targets.sort((a, b) => position.get(a.parameters.layer.node)! - position.get(b.parameters.layer.node)!);
  return { targets, skipped };
}
