import { createNode, float, type Node } from "../graph/index.js";
import { addsPadding, productFactors } from "../operators/attributes.js";
import { forEachWeight, type LinearLayer } from "../operators/index.js";
import { isLayer } from "../operators/linear-layer.js";
import { type ChannelAffine, whyNotByChannel } from "./channel-affine.js";
import type { FoldScope } from "./fold-scope.js";
import {
  changeableLayer,
  inputGeometry,
  type LayerEnd,
  layerEndingIn,
  layerTensor,
  outputGeometry,
  readBias,
} from "./layer-end.js";
import { setConstant } from "./rewire.js";

/** Neither of these is a refusal: there is nothing to fold into on that side. */
const NO_LAYER_BEFORE = "no Conv, ConvTranspose, Gemm or MatMul makes its input";
const NO_LAYER_BEHIND = "no Conv, ConvTranspose, Gemm or MatMul reads its output";

/** What is added from this magnitude on shuts out (−1e4, −1e9, −∞) and does not shift: in a bias it would set the range of the layer. */
const MASK = 1e4;
const MASK_REASON = "its constant is a mask, which beside the layer's own values no encoding holds";

/** New parameters of a layer; undefined means: stays as it is. */
interface NewParameters {
  readonly end: LayerEnd;
  readonly weight: Float64Array | undefined;
  readonly bias: Float64Array | undefined;
}

/**
 * Folds y = s·x + t into the layer that makes x: W'[o, …] = s[o]·W[o, …], b'[o] = s[o]·b[o] + t[o]; exact for every layer,
 * since output channels are independent of padding, stride and groups.
 * Returns the reason where it cannot, and changes nothing then; undefined when it is done.
 */
function absorbIntoProducer(scope: FoldScope, affine: ChannelAffine): string | undefined {
  const end = layerEndingIn(scope, affine.data);
  if (!end) return NO_LAYER_BEFORE;
  if (typeof end === "string") return end;
  const shared = scope.wiring.whyShared(affine.data);
  if (shared) return shared;
  const { layer } = end;
  const reason = whyNotByChannel(affine, outputGeometry(scope, end)) ?? whyNotRank2(scope, affine, layer, affine.data);
  if (reason) return reason;
  const old = readBias(scope, end);
  if (typeof old === "string") return old;
  const scale = byChannel(affine.scale, layer.outChannels);
  const shift = byChannel(affine.shift, layer.outChannels);
  const onlyAdds = affine.scale.every((factor) => Math.abs(factor) === 1);
  if (onlyAdds && shift.some((value) => Math.abs(value) >= MASK)) return MASK_REASON;
  const bias = scale.map((factor, c) => factor * (old?.[c] ?? 0) + shift[c]!);
  const weight = scaleWeight(layer, scale, (out) => out);
  const overflow = whyNotFinite(layer, weight, bias);
  if (overflow) return overflow;
  const hasBias = old !== undefined || bias.some((value) => value !== 0);
  const name = affine.output;
  scope.wiring.remove(affine.node);
  scope.wiring.setOutput(end.add ?? layer.node, 0, name);
  write(scope, { end: { ...end, output: name }, weight, bias: hasBias ? bias : undefined });
  scope.done(affine.node, [layer.node]);
  return undefined;
}

/**
 * Folds y = s·x + t into the layers that read y: W'[o, i] = s[i]·W[o, i], b'[o] = b[o] + Σ W[o, i]·t[i]. A shift does not
 * reach the zeros of a padded border, and ConvTranspose adds a varying number of taps: with t ≠ 0 both are refused.
 * All readers take it, or none.
 */
function absorbIntoConsumers(scope: FoldScope, affine: ChannelAffine): string | undefined {
  const { wiring } = scope;
  const { output } = affine;
  const readers = wiring.readers(output);
  if (!readers.some(isLayer)) return NO_LAYER_BEHIND;
  if (wiring.isOutput(output)) return `its output "${output}" is a graph output`;
  if (wiring.isCaptured(output)) return `its output "${output}" is read by a subgraph`;
  const plans: NewParameters[] = [];
  for (const reader of readers) {
    const plan = planConsumer(scope, affine, reader);
    if (typeof plan === "string") return plan;
    plans.push(plan);
  }
  wiring.remove(affine.node);
  wiring.replaceReaders(output, affine.data);
  for (const plan of plans) write(scope, plan);
  scope.done(
    affine.node,
    plans.map(({ end }) => end.layer.node),
  );
  return undefined;
}

function planConsumer(scope: FoldScope, affine: ChannelAffine, reader: Node): NewParameters | string {
  const layer = changeableLayer(scope, reader);
  if (!layer) return `its output is also read by ${reader.opType}, which cannot take it`;
  if (typeof layer === "string") return layer;
  if (reader.inputs.filter((value) => value === affine.output).length > 1 || layer.input !== affine.output) {
    return `${reader.opType} reads it as a parameter`;
  }
  const data = inputGeometry(scope, layer);
  const reason =
    whyNotByChannel(affine, data) ?? whyWidens(scope, affine, data) ?? whyNotRank2(scope, affine, layer, affine.output);
  if (reason) return reason;
  const shifts = affine.shift.some((value) => value !== 0);
  if (shifts && layer.opType === "ConvTranspose")
    return "ConvTranspose: its shift would not reach every output equally";
  if (shifts && layer.opType === "Conv" && addsPadding(layer.node)) {
    return "Conv pads with zeros, which its shift would not reach";
  }
  const end = endOf(scope, layer);
  const old = readBias(scope, end);
  if (typeof old === "string") return old;
  const scale = byChannel(affine.scale, layer.inChannels);
  const shift = byChannel(affine.shift, layer.inChannels);
  const { alpha } = productFactors(layer.node);
  const bias = Float64Array.from(old ?? new Float64Array(layer.outChannels));
  const values = layer.tensor.array() as Float32Array | Float64Array;
  forEachWeight(layer, (flat, out, input) => {
    bias[out] = bias[out]! + alpha * values[flat]! * shift[input]!;
  });
  const weight = scaleWeight(layer, scale, (_, input) => input);
  const overflow = whyNotFinite(layer, weight, bias);
  if (overflow) return overflow;
  return { end, weight, bias: shifts ? bias : undefined };
}

/**
 * Folds into the layer before, which is always exact, else into the layers behind. Returns the reasons of both sides, or
 * undefined when it is done.
 */
export function absorb(scope: FoldScope, affine: ChannelAffine): string | undefined {
  const before = absorbIntoProducer(scope, affine);
  if (before === undefined) return undefined;
  const behind = absorbIntoConsumers(scope, affine);
  if (behind === undefined) return undefined;
  return behind === NO_LAYER_BEHIND && before !== NO_LAYER_BEFORE ? before : `${before}; ${behind}`;
}

/** What {@link absorb} says of a node without any neighbour to fold into. */
export const NO_LAYER = `${NO_LAYER_BEFORE}; ${NO_LAYER_BEHIND}`;

/** The layer with the Add behind it, when that is the only reader and holds a bias. */
function endOf(scope: FoldScope, layer: LinearLayer): LayerEnd {
  const plain = { layer, add: undefined, output: layer.output };
  if (layer.opType !== "MatMul") return plain;
  const [reader, ...others] = scope.wiring.readers(layer.output);
  if (!reader || others.length > 0) return plain;
  const output = reader.outputs[0] ?? "";
  const end = layerEndingIn(scope, output);
  return typeof end === "object" && end.layer.node === layer.node ? end : plain;
}

/** Before a layer the constant must not enlarge the data, nor its rank: the layer would have seen the larger value. */
function whyWidens(
  scope: FoldScope,
  affine: ChannelAffine,
  data: { rank: number | undefined; channelsFromEnd: number; channels: number },
): string | undefined {
  if (!affine.dims) return undefined;
  const isScalar = affine.dims.every((size) => size === 1);
  const shape = scope.types.shape(affine.data);
  // A constant of lower rank than the layer's input cannot have raised it to that rank.
  if (isScalar && (affine.dims.length === 0 || (data.rank !== undefined && affine.dims.length < data.rank)))
    return undefined;
  if (!shape || shape.length < affine.dims.length || (data.rank !== undefined && shape.length !== data.rank)) {
    return `the rank of its input is not known to be ${data.rank ?? affine.dims.length}`;
  }
  if (isScalar || shape[shape.length - data.channelsFromEnd] === data.channels) return undefined;
  return `its input is not known to have ${data.channels} channels: its constant may broadcast it`;
}

/** BatchNormalization works along axis 1, MatMul along the last one: the same only at rank 2. */
function whyNotRank2(scope: FoldScope, affine: ChannelAffine, layer: LinearLayer, value: string): string | undefined {
  if (affine.dims || layer.opType !== "MatMul" || scope.types.shape(value)?.length === 2) return undefined;
  return "MatMul: the rank of its data is not known to be 2, so its channels may lie along another axis";
}

function byChannel(values: Float64Array, channels: number): Float64Array {
  return values.length === channels ? values : new Float64Array(channels).fill(values[0]!);
}

/** Undefined when every factor is 1: the weight stays the very same tensor. */
function scaleWeight(
  layer: LinearLayer,
  scale: Float64Array,
  pick: (out: number, input: number) => number,
): Float64Array | undefined {
  if (scale.every((factor) => factor === 1)) return undefined;
  const values = layer.tensor.array() as Float32Array | Float64Array;
  const scaled = new Float64Array(values.length);
  forEachWeight(layer, (flat, out, input) => {
    scaled[flat] = values[flat]! * scale[pick(out, input)]!;
  });
  return scaled;
}

function whyNotFinite(layer: LinearLayer, weight: Float64Array | undefined, bias: Float64Array): string | undefined {
  const isDouble = layer.tensor.dtype === "float64";
  const allFinite = (values: Float64Array) => {
    for (let i = 0; i < values.length; i++) {
      if (!Number.isFinite(isDouble ? values[i]! : Math.fround(values[i]!))) return false;
    }
    return true;
  };
  if ((weight === undefined || allFinite(weight)) && allFinite(bias)) return undefined;
  return `the folded parameters of ${layer.opType} would not be finite`;
}

function write(scope: FoldScope, { end, weight, bias }: NewParameters): void {
  const { layer, add } = end;
  const { node } = layer;
  if (weight) setConstant(scope, node, 1, layerTensor(layer, layer.tensor.dims, weight), "weight");
  if (!bias) return;
  const tensor = layerTensor(layer, [layer.outChannels], bias);
  const stem = `${node.name || layer.output}_bias`;
  if (add) {
    setConstant(
      scope,
      add,
      add.inputs.findIndex((value) => scope.constant(value)),
      tensor,
      stem,
    );
  } else if (layer.opType === "MatMul") {
    const { wiring, names, graph } = scope;
    const value = node.outputs[0]!;
    const inner = names.allocate(`${value}_without_bias`);
    const name = names.allocate(stem);
    graph.initializers.set(name, tensor);
    wiring.setOutput(node, 0, inner);
    wiring.insertBehind(
      node,
      createNode({
        opType: "Add",
        name: names.allocate(`${node.name || "MatMul"}_bias_add`),
        inputs: [inner, name],
        outputs: [value],
      }),
    );
  } else {
    // readBias() has beta in it.
    if (layer.opType === "Gemm" && node.attributes.has("beta")) node.attributes.set("beta", float(1));
    setConstant(scope, node, 2, tensor, stem);
  }
}
