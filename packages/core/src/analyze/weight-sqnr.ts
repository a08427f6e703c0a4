import type { Encoding } from "../math/index.js";
import { forEachWeight, type LinearLayer } from "../operators/index.js";
import { dequantizeTensor, type LayerParameters } from "../quantize/index.js";

/** A layer and how its parameters are quantized. */
export interface QuantizedWeights {
  readonly layer: LinearLayer;
  readonly parameters: Pick<LayerParameters, "weight">;
}

/** ΔW = W − Ŵ by element, in storage order. */
export function weightErrors({ layer, parameters: { weight } }: QuantizedWeights): Float64Array {
  const weights = layer.tensor.array() as Float32Array;
  const rounded = dequantizeTensor(weight.data, weight.encoding).array() as Float32Array;
  return Float64Array.from(weights, (value, at) => value - rounded[at]!);
}

/** Signal-to-noise ratios of weights, linear; Infinity where there is no noise. */
export interface WeightSqnr {
  /** ΣW²/ΣΔW² with the actual rounding errors (Meller et al. 2019, §5.1). */
  readonly measured: number;
  /** The same with errors uniform in a step, E[Δ²] = scale²/12, as in Fig. 5. */
  readonly uniform: number;
  /** Optimal equalization (§4.2): the uniform ratio were the extrema of all output channels equal. Channels of zeros do not count. */
  readonly optimal: number;
}

/** How well a layer's weights use their integers, and how well they could at best. */
export function weightSqnr(weights: QuantizedWeights): WeightSqnr {
  const { layer } = weights;
  const { encoding } = weights.parameters.weight;
  const values = layer.tensor.array() as Float32Array;
  const errors = weightErrors(weights);
  const channels = channelPowers(layer);
  let signal = 0;
  let noise = 0;
  let uniform = 0;
  values.forEach((value, at) => {
    signal += value * value;
    noise += errors[at]! ** 2;
  });
  for (const [out, { count }] of channels.entries()) {
    uniform += (count * encoding.scale[out % encoding.scale.length]! ** 2) / 12;
  }
  return { measured: signal / noise, uniform: signal / uniform, optimal: optimalRatio(channels, encoding) };
}

/** Signal and extrema of one channel. */
export interface ChannelPower {
  /** Σ of squares over `count` values. */
  readonly power: number;
  readonly count: number;
  /** Largest value and largest of −value, at least 0. */
  readonly top: number;
  readonly bottom: number;
}

/**
 * The ratio at optimal equalization. A channel scaled so that its width is that of all others, and the step with it, has
 * power·(width/width_c)² against width²/(12·steps²) a value: their common width cancels.
 */
export function optimalRatio(channels: readonly ChannelPower[], encoding: Encoding): number {
  const steps = encoding.qmax - encoding.qmin;
  let signal = 0;
  let count = 0;
  for (const channel of channels) {
    const width = widthOf(channel, encoding);
    if (width === 0) continue;
    signal += channel.power / width ** 2;
    count += channel.count;
  }
  return count === 0 ? Number.POSITIVE_INFINITY : (signal * 12 * steps ** 2) / count;
}

/** Width of the range that covers a channel with this kind of encoding. */
function widthOf({ top, bottom }: Pick<ChannelPower, "top" | "bottom">, { symmetric }: Encoding): number {
  return symmetric ? 2 * Math.max(top, bottom) : top + bottom;
}

function channelPowers(layer: LinearLayer): ChannelPower[] {
  const values = layer.tensor.array() as Float32Array;
  const channels = Array.from({ length: layer.outChannels }, () => ({ power: 0, count: 0, top: 0, bottom: 0 }));
  forEachWeight(layer, (flat, out) => {
    const channel = channels[out]!;
    const value = values[flat]!;
    channel.power += value * value;
    channel.count++;
    channel.top = Math.max(channel.top, value);
    channel.bottom = Math.max(channel.bottom, -value);
  });
  return channels;
}

/** Output channels whose weights all round to zero although they are not. */
export function lostWeightChannels(weights: QuantizedWeights): number {
  const { layer, parameters } = weights;
  const { data, encoding } = parameters.weight;
  const rounded = dequantizeTensor(data, encoding).array() as Float32Array;
  const values = layer.tensor.array() as Float32Array;
  const before = new Uint8Array(layer.outChannels);
  const after = new Uint8Array(layer.outChannels);
  forEachWeight(layer, (flat, out) => {
    if (values[flat] !== 0) before[out] = 1;
    if (rounded[flat] !== 0) after[out] = 1;
  });
  return before.reduce((lost, some, out) => lost + (some > after[out]! ? 1 : 0), 0);
}

/** Largest width of an output channel over the median one: how much of the common range one channel alone needs. */
export function channelImbalance(layer: LinearLayer, encoding: Encoding): number {
  const widths = channelPowers(layer)
    .map((channel) => widthOf(channel, encoding))
    .filter((width) => width > 0)
    .sort((a, b) => a - b);
  const middle = widths[Math.floor((widths.length - 1) / 2)];
  return middle === undefined ? 1 : widths.at(-1)! / middle;
}
