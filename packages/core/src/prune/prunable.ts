import { PreconditionError } from "../errors.js";
import { labelOf, type Model } from "../graph/index.js";
import { type LinearLayer, linearLayers } from "../operators/index.js";

/** A weight or bias that pruning may set to zero. */
export interface PrunableParameter {
  /** Name of the initializer. */
  readonly name: string;
  readonly kind: "weight" | "bias";
  readonly dims: readonly number[];
  readonly size: number;
  /** The first layer that reads it. */
  readonly layer: LinearLayer;
}

/** Which parameters compete: all of a layer, as in MathWorks' pruning page, or its weights alone. */
export type PruneParameters = "all" | "weights";

/**
 * Parameters of Conv, ConvTranspose, Gemm and MatMul in node order, float32 initializers, each once. Those of
 * normalizations are left alone, as in the SynFlow paper's experiments.
 * @throws {PreconditionError} E4005 the model has none.
 */
export function prunableParameters(model: Model, which: PruneParameters = "all"): PrunableParameter[] {
  const found = new Map<string, PrunableParameter>();
  for (const layer of linearLayers(model.graph)) {
    const names = [
      [layer.weight, "weight"],
      [which === "all" ? layer.bias : undefined, "bias"],
    ] as const;
    for (const [name, kind] of names) {
      const tensor = name === undefined ? undefined : model.graph.initializers.get(name);
      if (name === undefined || tensor?.dtype !== "float32" || found.has(name)) continue;
      found.set(name, { name, kind, dims: tensor.dims, size: tensor.size, layer });
    }
  }
  if (found.size === 0) {
    throw new PreconditionError("E4005", "prune: no layer with constant float32 weights", {
      hint: "prune needs Conv, ConvTranspose, Gemm or MatMul; compute constants first with fold()",
    });
  }
  return [...found.values()];
}

/** Names of parameters by layer, in node order. */
export function parametersByLayer(parameters: readonly PrunableParameter[]): Map<string, PrunableParameter[]> {
  const layers = new Map<string, PrunableParameter[]>();
  for (const parameter of parameters) {
    const label = labelOf(parameter.layer.node);
    const own = layers.get(label);
    if (own) own.push(parameter);
    else layers.set(label, [parameter]);
  }
  return layers;
}
