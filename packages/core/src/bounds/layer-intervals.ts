import type { ChannelFlow } from "../channels/flow.js";
import { attributeOf } from "../graph/index.js";
import { addsPadding, productFactors } from "../operators/attributes.js";
import { forEachWeight, type LinearLayer } from "../operators/index.js";
import { type ChannelIntervals, constantByChannel, floatsOf, unbounded } from "./operands.js";

/** Unit roundoff of float32. */
const ROUNDOFF = 2 ** -24;

/**
 * Bounds of a layer's output: b_o + Σ [w⁺·low + w⁻·high, w⁺·high + w⁻·low] over the taps of output channel o.
 * A padded convolution reads zeros at the border, so its taps range over the input's interval and 0.
 * Bounds are widened by γ_n = n·2⁻²⁴ of every term (Higham 2002, §3.1): float32 sums in any order stay inside.
 */
export function layerIntervals(flow: ChannelFlow, layer: LinearLayer, input: ChannelIntervals): ChannelIntervals {
  const { outChannels, tensor, node } = layer;
  const weights = floatsOf(tensor);
  const bias = layerBias(flow, layer);
  const batched = layer.opType === "MatMul" && tensor.size !== layer.inChannels * outChannels;
  if (!weights || !bias || batched) return unbounded(outChannels);
  const alpha = productFactors(node).alpha;
  const partial = seesZeros(layer);
  const low = new Float64Array(outChannels);
  const high = new Float64Array(outChannels);
  const lowSize = new Float64Array(outChannels);
  const highSize = new Float64Array(outChannels);
  const terms = new Float64Array(outChannels);
  const exact = new Uint8Array(outChannels).fill(1);
  forEachWeight(layer, (flat, out, channel) => {
    const weight = alpha * weights[flat]!;
    // 0 · ∞ is no number; a zero weight reads nothing.
    if (weight === 0) return;
    const bottom = partial ? Math.min(0, input.low[channel]!) : input.low[channel]!;
    const top = partial ? Math.max(0, input.high[channel]!) : input.high[channel]!;
    const least = weight > 0 ? weight * bottom : weight * top;
    const most = weight > 0 ? weight * top : weight * bottom;
    low[out]! += least;
    high[out]! += most;
    lowSize[out]! += Math.abs(least);
    highSize[out]! += Math.abs(most);
    terms[out]! += 1;
    if (bottom !== top) exact[out] = 0;
  });
  for (let out = 0; out < outChannels; out++) {
    low[out]! += bias.low[out]!;
    high[out]! += bias.high[out]!;
    if (exact[out] === 1) continue;
    const gamma = (terms[out]! + 2) * ROUNDOFF;
    low[out]! -= gamma * (lowSize[out]! + Math.abs(bias.low[out]!));
    high[out]! += gamma * (highSize[out]! + Math.abs(bias.high[out]!));
  }
  return { low, high };
}

/** Bias by output channel as it takes part in the output, 0 where there is none; undefined where it cannot be read. */
export function layerBias(flow: ChannelFlow, layer: LinearLayer): ChannelIntervals | undefined {
  const { node, outChannels, opType } = layer;
  const name = opType === "MatMul" ? "" : (node.inputs[2] ?? "");
  if (name === "") return { low: new Float64Array(outChannels), high: new Float64Array(outChannels) };
  const tensor = flow.constant(name);
  const bounds = tensor && constantByChannel(tensor, tensor.dims.length - 1, outChannels);
  if (!bounds) return undefined;
  const { beta } = productFactors(node);
  if (beta === 1) return bounds;
  const scaled = [bounds.low.map((b) => beta * b), bounds.high.map((b) => beta * b)] as const;
  return beta < 0 ? { low: scaled[1], high: scaled[0] } : { low: scaled[0], high: scaled[1] };
}

/** Whether some outputs of the layer miss taps: a convolution with padding, or a transposed one of more than one tap. */
export function seesZeros({ opType, node, kernelArea, convolves }: LinearLayer): boolean {
  if (!convolves) return false;
  const padded = addsPadding(node);
  if (padded || opType === "Conv") return padded;
  const strided = attributeOf(node, "strides", "ints", []).some((stride) => stride !== 1);
  const extended = ["output_padding", "output_shape"].some((name) => node.attributes.has(name));
  return strided || extended || kernelArea > 1;
}
