import { labelOf, type Model, NameAllocator, Tensor } from "../graph/index.js";
import { type LinearLayer, linearLayers } from "../operators/index.js";
import type { Skip, TransformReport } from "../runtime/index.js";

/** What {@link ensureBiases} did. */
export interface EnsureBiasesReport extends TransformReport {
  readonly transform: "ensureBiases";
  /** Layers that got a bias of zeros. */
  readonly layers: readonly string[];
}

/**
 * Gives every Conv, ConvTranspose and Gemm without a bias one of zeros, so that bias correction has something to correct.
 * In place, on the float model before quantization is planned; the function is preserved exactly (y + 0 = y).
 * Skips MatMul, which has no bias input, and weights that are not float32.
 */
export function ensureBiases(model: Model): EnsureBiasesReport {
  const names = new NameAllocator(model.graph);
  const layers: string[] = [];
  const skipped: Skip[] = [];
  for (const layer of linearLayers(model.graph)) {
    const { node, opType } = layer;
    if (opType !== "MatMul" && (node.inputs[2] ?? "") !== "") continue;
    const reason = whyNot(layer);
    if (reason) {
      skipped.push({ node: labelOf(node), opType, reason });
      continue;
    }
    const bias = names.allocate(`${labelOf(node)}_bias`);
    model.graph.initializers.set(bias, Tensor.float32([layer.outChannels], new Float32Array(layer.outChannels)));
    node.inputs = [layer.input, layer.weight, bias];
    // beta multiplies the bias alone; without one it meant nothing, with one it would keep the layer out of integers.
    node.attributes.delete("beta");
    layers.push(labelOf(node));
  }
  return { transform: "ensureBiases", modified: layers.length > 0, skipped, layers };
}

function whyNot({ opType, tensor }: LinearLayer): string | undefined {
  if (opType === "MatMul") return "MatMul has no bias input";
  return tensor.dtype === "float32" ? undefined : `weight is ${tensor.dtype}, not float32`;
}
