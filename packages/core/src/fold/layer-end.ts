import { isOp, type Node, Tensor } from "../graph/index.js";
import { productFactors } from "../operators/attributes.js";
import { type LinearLayer, linearLayerOf } from "../operators/index.js";
import { isLayer } from "../operators/linear-layer.js";
import { toFloat64, whyNotConstant } from "./channel-affine.js";
import type { FoldScope } from "./fold-scope.js";

/** A linear layer with the Add behind it that holds its bias: MatMul has no bias of its own. */
export interface LayerEnd {
  readonly layer: LinearLayer;
  readonly add: Node | undefined;
  /** The value with the bias in it. */
  readonly output: string;
}

/** The layer that makes a value, directly or through its bias Add. A reason where a layer does, but none that can be changed. */
export function layerEndingIn(scope: FoldScope, value: string): LayerEnd | string | undefined {
  const producer = scope.wiring.producer(value);
  if (isOp(producer, "Add")) {
    const data = biasAddInput(scope, producer);
    const inner = data === undefined ? undefined : scope.wiring.producer(data);
    if (!isOp(inner, "MatMul") || scope.wiring.whyShared(data!)) return undefined;
    const layer = changeableLayer(scope, inner);
    return typeof layer === "object" ? { layer, add: producer, output: value } : layer;
  }
  const layer = producer && changeableLayer(scope, producer);
  return typeof layer === "object" ? { layer, add: undefined, output: value } : layer;
}

/** The data input of an Add whose other input is a constant along the last axis. */
function biasAddInput(scope: FoldScope, add: Node): string | undefined {
  for (const [data, other] of [add.inputs, [...add.inputs].reverse()]) {
    const dims = scope.ownConstant(other!)?.dims;
    if (!dims || scope.constant(data!)) continue;
    if (!dims.slice(0, -1).every((size) => size === 1)) continue;
    if (dims.length > Math.max(1, scope.types.shape(data!)?.length ?? 1)) continue;
    return data;
  }
  return undefined;
}

/** The layer a node is, when its weight is a float constant of this graph. A reason where it is a layer, but not such a one. */
export function changeableLayer(scope: FoldScope, node: Node): LinearLayer | string | undefined {
  if (!isLayer(node)) return undefined;
  const weight = node.inputs[1] ?? "";
  const tensor = scope.ownConstant(weight);
  if (!tensor) return `${node.opType}: ${whyNotConstant(scope, weight, "weight")}`;
  if (tensor.dtype !== "float32" && tensor.dtype !== "float64") {
    return `${node.opType}: its weight is ${tensor.dtype}, only float32 and float64 are folded`;
  }
  const layer = linearLayerOf(scope.graph, node);
  if (!layer) return `${node.opType} with a weight of shape [${tensor.dims.join(", ")}] is not a layer by channel`;
  if (layer.opType === "MatMul" && tensor.dims.length !== 2) return "MatMul with a batch of weights";
  const bias = node.inputs[2] ?? "";
  if (bias !== "" && !scope.constant(bias)) return `${node.opType}: ${whyNotConstant(scope, bias, "bias")}`;
  return layer;
}

/** Shape of the layer's output (`channels` along its channel axis), for {@link whyNotByChannel}. */
export function outputGeometry(scope: FoldScope, { layer, output }: LayerEnd) {
  return { channels: layer.outChannels, ...geometry(scope, layer, output) };
}

export function inputGeometry(scope: FoldScope, layer: LinearLayer) {
  return { channels: layer.inChannels, ...geometry(scope, layer, layer.input) };
}

function geometry(scope: FoldScope, layer: LinearLayer, value: string) {
  const rank = layer.tensor.dims.length;
  if (layer.opType === "MatMul") {
    return { rank: scope.types.shape(value)?.length, leastRank: 1, channelsFromEnd: 1 };
  }
  return { rank, leastRank: rank, channelsFromEnd: layer.opType === "Gemm" ? 1 : rank - 1 };
}

/** Bias by output channel as it takes part in the output (Gemm: beta·C); undefined where there is none. A reason where it is not by channel. */
export function readBias(scope: FoldScope, { layer, add }: LayerEnd): Float64Array | undefined | string {
  const name = add ? add.inputs.find((value) => scope.constant(value)) : layer.node.inputs[2];
  if (name === undefined || name === "") return undefined;
  const tensor = scope.constant(name)!;
  const numbers = toFloat64(tensor);
  if (!numbers) return `its bias is ${tensor.dtype}, only float32 and float64 are folded`;
  const { beta } = productFactors(layer.node);
  const channels = layer.outChannels;
  const last = tensor.dims[tensor.dims.length - 1] ?? 1;
  if (numbers.length !== last || (last !== 1 && last !== channels)) {
    return `${layer.opType}: its bias [${tensor.dims.join(", ")}] is not one value a channel`;
  }
  return Float64Array.from({ length: channels }, (_, c) => beta * numbers[last === 1 ? 0 : c]!);
}

/** A float tensor of the layer's type. */
export function layerTensor(layer: LinearLayer, dims: readonly number[], values: Float64Array): Tensor {
  return layer.tensor.dtype === "float64"
    ? Tensor.of("float64", dims, values)
    : Tensor.float32(dims, Float32Array.from(values));
}
