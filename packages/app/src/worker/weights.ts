import { forEachWeight, type LinearLayer, type Model, roundHalfEven } from "@equant/core/lab";
import { floatLayers, floatMsb, type MsbRow } from "@equant/report";

/** What one scale for a layer's weights would do to them. */
export interface WeightFacts {
  readonly msb: MsbRow;
  readonly weightDb: { readonly perTensor: number; readonly perChannel: number };
}

/** Statistics of every layer's float weights, and what int8 with one scale would do to them. */
export function weightFactsOf(model: Model): Map<string, WeightFacts> {
  return new Map(
    floatLayers(model).map((own) => [own.name, { msb: floatMsb(own), weightDb: weightDb(own.layer, own.values) }]),
  );
}

/** Largest magnitude of int8 weights, symmetric. */
const TOP = 127;

/** 10·log10(ΣW²/Σ(W − Ŵ)²) with Ŵ = s·round(W/s), s = max|W|/127 over the tensor or over each channel. */
function weightDb(layer: LinearLayer, values: Float32Array): { perTensor: number; perChannel: number } {
  const tops = new Float64Array(layer.outChannels);
  // Sums by channel: a number that the visitor wrote to outside would be a new object for every weight.
  const signal = new Float64Array(layer.outChannels);
  forEachWeight(layer, (flat, out) => {
    const magnitude = Math.abs(values[flat]!);
    signal[out] = signal[out]! + magnitude * magnitude;
    if (magnitude > tops[out]!) tops[out] = magnitude;
  });
  const coarse = tops.reduce((a, b) => Math.max(a, b), 0) / TOP;
  const fine = tops.map((top) => top / TOP);
  const tensorNoise = new Float64Array(layer.outChannels);
  const channelNoise = new Float64Array(layer.outChannels);
  forEachWeight(layer, (flat, out) => {
    const value = values[flat]!;
    if (value === 0) return;
    const coarseError = value - coarse * roundHalfEven(value / coarse);
    const fineError = value - fine[out]! * roundHalfEven(value / fine[out]!);
    tensorNoise[out] = tensorNoise[out]! + coarseError * coarseError;
    channelNoise[out] = channelNoise[out]! + fineError * fineError;
  });
  const sum = (powers: Float64Array) => powers.reduce((a, b) => a + b, 0);
  const power = sum(signal);
  const db = (noise: number) => (power === 0 || noise === 0 ? 300 : 10 * Math.log10(power / noise));
  return { perTensor: db(sum(tensorNoise)), perChannel: db(sum(channelNoise)) };
}
