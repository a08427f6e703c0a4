import type { Encoding } from "../math/index.js";
import { coverage, forEachWeight, type LinearLayer } from "../operators/index.js";
import { dequantizeTensor } from "../quantize/index.js";
import type { MeasuredLayer } from "./sqnr-layers.js";
import { weightErrors } from "./weight-sqnr.js";

/** Channel statistics of one layer, over samples and positions. */
export interface LayerStatistics {
  readonly inputMean: Float64Array;
  readonly inputPower: Float64Array;
  readonly signal: Float64Array;
  /** Share of values that carry noise; all 1 without an activation. */
  readonly free: Float64Array;
}

/** Noise powers by output channel. */
export interface PredictedNoise {
  readonly weights: Float64Array;
  readonly activations: Float64Array | undefined;
}

/** Sizes of the layer's input and output without batch and channels. */
export interface Positions {
  readonly input: readonly number[];
  readonly output: readonly number[];
}

/**
 * Noise from ranges alone, Meller et al. 2019, eqs. (5) and (6): E[(Ỹ^ΔW)²] = K²·F_in·E[X²]·E[ΔW²] and E[(Ỹ^ΔY)²] = E[ΔY²]
 * with errors uniform in a step, E[Δ²] = scale²/12. Per channel where the scale is; input channels of other groups do not count.
 */
export function predictFromRanges(measured: MeasuredLayer, statistics: LayerStatistics): PredictedNoise {
  const { layer, parameters, encoding } = measured;
  const { outChannels } = layer;
  const { scale } = parameters.weight.encoding;
  const inputs = inputsByOutput(layer);
  const power = statistics.inputPower;
  const weights = Float64Array.from({ length: outChannels }, (_, out) => {
    let sum = 0;
    const [from, to] = inputs(out);
    for (let input = from; input < to; input++) sum += power[input]!;
    return (layer.kernelArea * sum * channelScale(scale, out) ** 2) / 12;
  });
  return { weights, activations: encoding && statistics.signal.map(() => uniformPower(encoding)) };
}

/**
 * Refined where the uniform model is off:
 * - ΔW = W − Ŵ is known, so its squares are summed instead of assumed: few distinct weights, channels that round to zero,
 *   a scale much finer or coarser than the weights, depthwise kernels of nine weights.
 * - Errors of one kernel have a mean, which inputs that are never negative turn into an offset: the input is its mean plus
 *   an independent rest, E[(Σ ΔW·X)²] = Σ ΔW²·Var[X] + (Σ ΔW·E[X] + Δb)². The offset is what bias correction removes.
 * - An activation cuts off part of the values with their noise, and leaves them exactly on the grid: only the free share counts.
 * - Taps over a padded border, and those a stride of ConvTranspose leaves out, multiply zeros.
 * - A channel within half a step rounds to zero as a whole: its noise is its signal, not a twelfth of a step squared.
 */
export function predictFromWeights(
  measured: MeasuredLayer,
  statistics: LayerStatistics,
  positions: Positions,
): PredictedNoise {
  const { layer, encoding } = measured;
  const { outChannels } = layer;
  const { inputMean, inputPower, free, signal } = statistics;
  const errors = weightErrors(measured);
  const covered = coverage(layer, positions);
  const spread = new Float64Array(outChannels);
  const offset = biasErrors(measured);
  forEachWeight(layer, (flat, out, input) => {
    const error = errors[flat]!;
    const mean = inputMean[input]!;
    spread[out] = spread[out]! + error * error * covered * Math.max(0, inputPower[input]! - mean * mean);
    offset[out] = offset[out]! + error * mean * covered;
  });
  return {
    weights: spread.map((power, out) => free[out]! * (power + offset[out]! ** 2)),
    activations: encoding && signal.map((power, out) => Math.min(power, free[out]! * uniformPower(encoding))),
  };
}

/** b − b̂ by output channel. */
function biasErrors({ layer, bias, parameters }: MeasuredLayer): Float64Array {
  const errors = new Float64Array(layer.outChannels);
  const quantized = parameters.bias;
  if (!bias || !quantized?.data) return errors;
  const rounded = dequantizeTensor(quantized.data, quantized.encoding!).array() as Float32Array;
  return errors.map((_, out) => bias[out]! - rounded[out]!);
}

/** Input channels that an output channel reads, [from, to). */
function inputsByOutput({ outChannels, inChannels, group }: LinearLayer): (out: number) => readonly [number, number] {
  const width = inChannels / group;
  return (out) => {
    const from = Math.floor(out / (outChannels / group)) * width;
    return [from, from + width];
  };
}

/** The scale of an output channel; the channels of a grouped ConvTranspose share them group by group. */
function channelScale(scale: Float32Array, out: number): number {
  return scale[out % scale.length]!;
}

/** E[Δ²] of errors uniform in a step. */
function uniformPower({ scale }: Encoding): number {
  return scale[0]! ** 2 / 12;
}
