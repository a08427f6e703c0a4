import { layerBias, seesZeros } from "../bounds/layer-intervals.js";
import { floatsOf } from "../bounds/operands.js";
import type { ChannelFlow } from "../channels/flow.js";
import { createNode, float, labelOf, type Model, NameAllocator, Tensor } from "../graph/index.js";
import { productFactors } from "../operators/attributes.js";
import { forEachWeight, type LinearLayer } from "../operators/index.js";

/** Why a constant on an input channel cannot move into the layer's bias; undefined when it can. */
export function whyNotAbsorbed(flow: ChannelFlow, layer: LinearLayer, constant: number): string | undefined {
  // A zero adds nothing to any sum: its weights can simply go.
  if (constant === 0) return undefined;
  const label = `${layer.opType} "${labelOf(layer.node)}"`;
  if (seesZeros(layer)) {
    return layer.opType === "Conv"
      ? `${label} pads with zeros, where its constant ${constant} would be missing`
      : `${label} gives its constant ${constant} to some positions only`;
  }
  return whyBiasIsFixed(flow, layer);
}

/** Why nothing can be added to a layer's bias. */
export function whyBiasIsFixed(flow: ChannelFlow, layer: LinearLayer): string | undefined {
  const label = `${layer.opType} "${labelOf(layer.node)}"`;
  if (layer.tensor.dtype !== "float32" && layer.tensor.dtype !== "float64") {
    return `${label} has ${layer.tensor.dtype} weights, only float32 and float64 are changed`;
  }
  if (layer.opType === "MatMul" && layer.tensor.size !== layer.inChannels * layer.outChannels) {
    return `${label} has a batch of weights`;
  }
  const bias = layerBias(flow, layer);
  if (!bias || bias.low.some((low, channel) => low !== bias.high[channel])) {
    return `the bias of ${label} is not one value a channel`;
  }
  return undefined;
}

/** What is done to one layer: constants on input channels (NaN: none), and output channels that become a constant (NaN: none). */
export interface LayerConstants {
  readonly layer: LinearLayer;
  readonly inputs: Float64Array;
  readonly outputs: Float64Array;
}

/** Names of values made by inserted nodes, and the value whose channels they have. */
export type Aliases = Map<string, string>;

/** Channels of a layer whose weights became zeros. */
export interface ClearedWeights {
  readonly layer: LinearLayer;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

/**
 * Moves constants into biases: b_o += Σ_c W_oc·k_c, W_oc = 0 over the constant input channels c (with their kernel), and
 * W_o = 0, b_o = k_o for output channels that are constant. In place; a layer without a bias gets one.
 * @returns the layers that changed.
 */
export function absorbConstants(
  model: Model,
  flow: ChannelFlow,
  changes: readonly LayerConstants[],
): { cleared: ClearedWeights[]; aliases: Aliases } {
  const names = new NameAllocator(model.graph);
  const aliases: Aliases = new Map();
  const cleared = changes.flatMap((change) => absorb(model, flow, change, names, aliases) ?? []);
  return { cleared, aliases };
}

function absorb(
  model: Model,
  flow: ChannelFlow,
  { layer, inputs, outputs }: LayerConstants,
  names: NameAllocator,
  aliases: Aliases,
): ClearedWeights | undefined {
  const weights = Float64Array.from(floatsOf(layer.tensor) ?? []);
  const { alpha } = productFactors(layer.node);
  const shift = new Float64Array(layer.outChannels);
  const clearedInputs = new Set<number>();
  const clearedOutputs = new Set<number>();
  forEachWeight(layer, (flat, out, input) => {
    const weight = weights[flat]!;
    if (weight === 0) return;
    const constant = inputs[input]!;
    const absorbed = !Number.isNaN(constant);
    const silenced = !Number.isNaN(outputs[out]!);
    if (!absorbed && !silenced) return;
    if (absorbed) {
      clearedInputs.add(input);
      shift[out]! += alpha * weight * constant;
    }
    if (silenced) clearedOutputs.add(out);
    weights[flat] = 0;
  });
  const old = layerBias(flow, layer)!.low;
  const bias = shift.map((added, out) => (Number.isNaN(outputs[out]!) ? old[out]! + added : outputs[out]!));
  const cleared = clearedInputs.size + clearedOutputs.size > 0;
  const moves = bias.some((b, out) => Math.fround(b) !== Math.fround(old[out]!));
  if (cleared) setConstant(model, flow, layer, 1, tensorLike(layer, layer.tensor.dims, weights), names);
  if (moves) setBias(model, flow, layer, bias, names, aliases);
  if (!cleared && !moves) return undefined;
  const sorted = (set: Set<number>) => [...set].sort((a, b) => a - b);
  return { layer, inputs: sorted(clearedInputs), outputs: sorted(clearedOutputs) };
}

function setBias(
  model: Model,
  flow: ChannelFlow,
  layer: LinearLayer,
  bias: Float64Array,
  names: NameAllocator,
  aliases: Aliases,
): void {
  const { node, opType } = layer;
  const tensor = tensorLike(layer, [layer.outChannels], bias);
  if (opType !== "MatMul") {
    node.attributes.delete("beta");
    if (productFactors(node).alpha !== 1) node.attributes.set("beta", float(1));
    setConstant(model, flow, layer, 2, tensor, names);
    return;
  }
  const inner = names.allocate(`${layer.output}_product`);
  const constant = names.allocate(`${labelOf(node)}_bias`);
  model.graph.initializers.set(constant, tensor);
  node.outputs = [inner];
  const add = createNode({
    opType: "Add",
    name: names.allocate(`${labelOf(node)}_add`),
    inputs: [inner, constant],
    outputs: [layer.output],
  });
  model.graph.nodes.splice(model.graph.nodes.indexOf(node) + 1, 0, add);
  aliases.set(inner, layer.output);
}

function setConstant(
  model: Model,
  flow: ChannelFlow,
  { node }: LinearLayer,
  position: number,
  tensor: Tensor,
  names: NameAllocator,
): void {
  const old = node.inputs[position] ?? "";
  const { initializers } = model.graph;
  const own = initializers.has(old) && flow.index.uses(old).length === 1;
  if (own && !flow.index.isOutput(old) && !flow.index.isInput(old)) {
    initializers.set(old, tensor);
    return;
  }
  const name = names.allocate(old || `${labelOf(node)}_bias`);
  initializers.set(name, tensor);
  node.inputs[position] = name;
}

function tensorLike(layer: LinearLayer, dims: readonly number[], values: Float64Array): Tensor {
  return layer.tensor.dtype === "float64"
    ? Tensor.of("float64", dims, values)
    : Tensor.float32(dims, Float32Array.from(values));
}
