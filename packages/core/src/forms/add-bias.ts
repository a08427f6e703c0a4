import { type Attribute, Tensor } from "../graph/index.js";
import { productFactors } from "../operators/attributes.js";
import type { LinearLayer } from "../operators/index.js";
import type { FormWriter } from "./form-writer.js";

/** The last node of a layer's new form, and behind it the third input of a Gemm (times its `beta`) where there is one. */
export function addBias(
  writer: FormWriter,
  layer: LinearLayer,
  opType: string,
  inputs: readonly string[],
  attributes: Record<string, Attribute> = {},
  domain = "",
): void {
  const { node } = layer;
  const bias = node.inputs[2] ?? "";
  if (bias === "") {
    writer.replace(node, opType, inputs, attributes, domain);
    return;
  }
  const product = writer.node(opType, inputs, attributes, domain);
  writer.replace(node, "Add", [product, scaledBias(writer, layer, bias)]);
}

function scaledBias(writer: FormWriter, layer: LinearLayer, bias: string): string {
  const { beta } = productFactors(layer.node);
  if (layer.convolves) {
    // Channels lie along axis 1: [M] → [M, 1, …].
    const tensor = writer.graph.initializers.get(bias);
    const dims = [layer.outChannels, ...layer.tensor.dims.slice(2).map(() => 1)];
    if (tensor) return writer.once(`bias ${bias}`, () => writer.constant(reshaped(tensor, dims), `${bias}_bias`));
    const shape = writer.constant(Tensor.int64([dims.length], dims), `${bias}_shape`);
    return writer.node("Reshape", [bias, shape]);
  }
  return beta === 1 ? bias : writer.node("Mul", [bias, writer.constant(beta, "beta")]);
}

function reshaped(tensor: Tensor, dims: readonly number[]): Tensor {
  return Tensor.of(tensor.dtype, dims, tensor.array());
}
