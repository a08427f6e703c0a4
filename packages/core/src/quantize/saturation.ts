import type { LinearLayer } from "../operators/index.js";

/** Largest and smallest sum of two products that a 16-bit lane holds. */
const INT16_MAX = 32767;
const INT16_MIN = -32768;

/**
 * How far products of uint8 inputs and int8 weights exceed 16 bits, for every output channel: 1 is the limit, above it
 * the sum saturates. On x86 without VNNI, ONNX Runtime multiplies with vpmaddubsw, which adds products of neighbours
 * k, k+1 in 16 bits: x₀·w₀ + x₁·w₁ with x ≤ 255 and |w| ≤ 127 can reach 64,770.
 *
 * `weights` are the quantized weights in storage order, `inputMax` the largest quantized input of every input channel
 * (as unsigned integer, zero point included). The bound takes both inputs at their largest at once: it never misses
 * a saturation on data within the calibrated ranges. Depthwise kernels widen to 16 bits first and never saturate.
 */
export function saturationRatios(layer: LinearLayer, weights: Int8Array, inputMax: ArrayLike<number>): Float64Array {
  const ratios = new Float64Array(layer.outChannels);
  if (layer.depthwise || layer.opType === "ConvTranspose") return ratios;
  const { tensor, kernelArea: area } = layer;
  if (!layer.convolves) {
    const columns = tensor.dims[tensor.dims.length - 1]!;
    const byRow = layer.outAxis === tensor.dims.length - 2;
    const [outStride, inStride] = byRow ? [columns, 1] : [1, columns];
    const matrix = layer.outChannels * layer.inChannels;
    // MatMul takes a stack of matrices too.
    for (let at = 0; at < tensor.size; at += matrix) {
      for (let out = 0; out < layer.outChannels; out++) {
        const row = at + out * outStride;
        const ratio = rowRatio(
          layer.inChannels,
          (k) => weights[row + k * inStride]!,
          (k) => inputMax[k]!,
        );
        ratios[out] = Math.max(ratios[out]!, ratio);
      }
    }
    return ratios;
  }
  const perGroup = tensor.dims[1]!;
  const length = perGroup * area;
  for (let out = 0; out < layer.outChannels; out++) {
    const base = Math.floor(out / (layer.outChannels / layer.group)) * perGroup;
    const row = out * length;
    // Storage order (channel, tap), as im2col lays out NCHW, and (tap, channel), as the channels-last kernels do.
    const stored = rowRatio(
      length,
      (k) => weights[row + k]!,
      (k) => inputMax[base + Math.floor(k / area)]!,
    );
    const weight = (k: number) => weights[row + (k % perGroup) * area + Math.floor(k / perGroup)]!;
    const channelsLast = area === 1 ? 0 : rowRatio(length, weight, (k) => inputMax[base + (k % perGroup)]!);
    ratios[out] = Math.max(stored, channelsLast);
  }
  return ratios;
}

function rowRatio(length: number, weight: (k: number) => number, input: (k: number) => number): number {
  let high = 0;
  let low = 0;
  for (let k = 0; k + 1 < length; k += 2) {
    const a = weight(k) * input(k);
    const b = weight(k + 1) * input(k + 1);
    high = Math.max(high, Math.max(a, 0) + Math.max(b, 0));
    low = Math.min(low, Math.min(a, 0) + Math.min(b, 0));
  }
  return Math.max(high / INT16_MAX, low / INT16_MIN);
}
