import type { LinearLayer } from "../graph/index.js";

/** Largest and smallest sum of two products that a 16-bit lane holds. */
const INT16_MAX = 32767;
const INT16_MIN = -32768;

/**
 * Whether uint8 × int8 products of the layer can saturate on x86 without VNNI: there ONNX Runtime multiplies with vpmaddubsw,
 * which adds products of neighbours k, k+1 in 16 bits: x₀·w₀ + x₁·w₁ with x ≤ 255 and |w| ≤ 127 can reach 64,770.
 *
 * `weights` are the quantized weights in storage order, `inputMax` the largest quantized input of every input channel
 * (as unsigned integer, zero point included). The bound takes both inputs at their largest at once: it never misses
 * a saturation on data within the calibrated ranges. Depthwise kernels widen to 16 bits first and never saturate.
 */
export function canSaturate(layer: LinearLayer, weights: Int8Array, inputMax: ArrayLike<number>): boolean {
  if (layer.depthwise) return false;
  const { tensor, kernelArea: area } = layer;
  if (layer.opType === "Gemm" || layer.opType === "MatMul") {
    const columns = tensor.dims[tensor.dims.length - 1]!;
    const rows = tensor.dims[tensor.dims.length - 2]!;
    const byRow = layer.outAxis === tensor.dims.length - 2;
    const [outs, ins] = byRow ? [rows, columns] : [columns, rows];
    const at = (out: number, input: number) => (byRow ? out * columns + input : input * columns + out);
    return anyPair(
      outs,
      ins,
      (out, k) => weights[at(out, k)]!,
      (k) => inputMax[k]!,
    );
  }
  if (layer.opType === "ConvTranspose") return false;
  const perGroup = tensor.dims[1]!;
  const groupOf = (out: number) => Math.floor(out / (layer.outChannels / layer.group)) * perGroup;
  const length = perGroup * area;
  const outs = layer.outChannels;
  for (let out = 0; out < outs; out++) {
    const base = groupOf(out);
    const row = out * length;
    // Storage order (channel, tap), as im2col lays out NCHW, and (tap, channel), as the channels-last kernels do.
    if (
      rowSaturates(
        length,
        (k) => weights[row + k]!,
        (k) => inputMax[base + Math.floor(k / area)]!,
      )
    )
      return true;
    if (area === 1) continue;
    const weight = (k: number) => weights[row + (k % perGroup) * area + Math.floor(k / perGroup)]!;
    if (rowSaturates(length, weight, (k) => inputMax[base + (k % perGroup)]!)) return true;
  }
  return false;
}

function anyPair(
  outs: number,
  length: number,
  weight: (out: number, k: number) => number,
  input: (k: number) => number,
): boolean {
  for (let out = 0; out < outs; out++) if (rowSaturates(length, (k) => weight(out, k), input)) return true;
  return false;
}

function rowSaturates(length: number, weight: (k: number) => number, input: (k: number) => number): boolean {
  for (let k = 0; k + 1 < length; k += 2) {
    const a = weight(k) * input(k);
    const b = weight(k + 1) * input(k + 1);
    if (Math.max(a, 0) + Math.max(b, 0) > INT16_MAX || Math.min(a, 0) + Math.min(b, 0) < INT16_MIN) return true;
  }
  return false;
}
