import { type Graph, type GraphIndex, indexGraph, isOp, labelOf, type Node } from "../graph/index.js";
import type { Encoding } from "../math/index.js";
import { isSaturation } from "../operators/facts.js";
import { type LinearLayer, linearLayerOf } from "../operators/index.js";
import type { LayerParameters, QuantizationPlan } from "../quantize/index.js";
import type { Skip } from "../runtime/index.js";

/** A quantized layer as it lies in the float graph. */
export interface MeasuredLayer {
  readonly name: string;
  readonly layer: LinearLayer;
  readonly parameters: LayerParameters;
  /** The float bias, by output channel. */
  readonly bias: Float32Array | undefined;
  /** Activations between the layer's output and `value`, in order; usually none or one. */
  readonly activations: readonly Node[];
  /** What is compared. */
  readonly value: string;
  /** Encoding of `value`; undefined where the layer's output stays float. */
  readonly encoding: Encoding | undefined;
}

/** The plan's layers in the float graph, in node order: a plan knows values by name, whatever graph it was applied to. */
export function measuredLayers(graph: Graph, plan: QuantizationPlan): { layers: MeasuredLayer[]; skipped: Skip[] } {
  const index = indexGraph(graph);
  const byOutput = new Map(plan.parameters.map((parameters) => [parameters.layer.output, parameters]));
  const layers: MeasuredLayer[] = [];
  const skipped: Skip[] = [...plan.placement.skipped];
  const found = new Set<string>();
  for (const node of graph.nodes) {
    const parameters = byOutput.get(node.outputs[0] ?? "");
    const layer = parameters && linearLayerOf(graph, node);
    if (!layer) continue;
    found.add(layer.output);
    if (layer.opType === "MatMul" && layer.tensor.dims.length > 2) {
      skipped.push({ node: labelOf(node), opType: node.opType, reason: "weights are a batch of matrices" });
      continue;
    }
    const bias = layer.bias && (graph.initializers.get(layer.bias)!.array() as Float32Array);
    const where = whereEncoded(index, plan, layer.output);
    layers.push({ name: labelOf(node), layer, parameters, bias: bias || undefined, ...where });
  }
  for (const { layer } of plan.parameters) {
    if (found.has(layer.output)) continue;
    const reason = `the float model has no layer that makes "${layer.output}"`;
    skipped.push({ node: labelOf(layer.node), opType: layer.opType, reason });
  }
  return { layers, skipped };
}

/**
 * Follows the fused activations behind a layer to the value with an encoding, and past it over a bound a channel (Min with a
 * constant, from an equalized ReLU6) that shares the encoding: what the bound cuts off is no loss.
 */
function whereEncoded(
  index: GraphIndex,
  plan: QuantizationPlan,
  output: string,
): Pick<MeasuredLayer, "activations" | "value" | "encoding"> {
  const activations: Node[] = [];
  let value = output;
  while (!plan.activations.has(value)) {
    const next = index.onlyConsumer(value);
    if (!isSaturation(next) || next.inputs[0] !== value) {
      return { activations: [], value: output, encoding: undefined };
    }
    activations.push(next);
    value = next.outputs[0]!;
  }
  const encoding = plan.activations.get(value);
  const bound = index.onlyConsumer(value);
  const after = bound?.outputs[0] ?? "";
  if (isOp(bound, "Min") && plan.activations.get(after) === encoding) {
    activations.push(bound);
    value = after;
  }
  return { activations, value, encoding };
}
