import {
  type Encoding,
  encodingFromRange,
  forEachWeight,
  type LinearLayer,
  labelOf,
  linearLayers,
  type Model,
  roundHalfEven,
  WEIGHT_ENCODING,
} from "@equant/core/web";
import { channelBoxes, type LayerWeights, type MsbRow, msbRow, reportEncoding } from "@equant/report";

/** What one scale for a layer's weights would do to them. */
export interface WeightFacts {
  readonly msb: MsbRow;
  readonly weightDb: { readonly perTensor: number; readonly perChannel: number };
}

/** A layer with the encoding of its weights as int8 with one scale. */
interface FiniteLayer {
  readonly layer: LinearLayer;
  readonly values: Float32Array;
  readonly encoding: Encoding;
}

/** Every layer whose float weights can be looked at, by name. */
function finiteLayers(model: Model): Map<string, FiniteLayer> {
  const found = new Map<string, FiniteLayer>();
  for (const layer of linearLayers(model.graph)) {
    if (layer.tensor.dtype !== "float32") continue;
    const values = layer.tensor.array() as Float32Array;
    const [min, max] = rangeOf(values);
    if (!Number.isFinite(min) || !Number.isFinite(max)) continue;
    found.set(labelOf(layer.node), { layer, values, encoding: encodingFromRange({ min, max }, WEIGHT_ENCODING) });
  }
  return found;
}

/** Statistics of every layer's float weights, and what int8 with one scale would do to them. */
export function weightFactsOf(model: Model): Map<string, WeightFacts> {
  const facts = new Map<string, WeightFacts>();
  for (const [name, { layer, values, encoding }] of finiteLayers(model)) {
    const what = { layer: name, tensor: layer.weight, kind: "weights" as const };
    facts.set(name, { msb: msbRow(what, values, encoding, layer.tensor.dims), weightDb: weightDb(layer, values) });
  }
  return facts;
}

/** Quartiles by channel of every layer, or of those named: sorting takes as long as all other statistics together. */
export function layerWeightsOf(model: Model, names?: readonly string[]): LayerWeights[] {
  return [...finiteLayers(model)]
    .filter(([name]) => names?.includes(name) ?? true)
    .map(([name, { layer, encoding }]) => ({
      layer: name,
      opType: layer.depthwise ? "DepthwiseConv" : layer.opType,
      before: { channels: channelBoxes(layer), encoding: reportEncoding(encoding) },
      after: null,
    }));
}

/** Smallest and largest value, 0 included; NaN where there is one. */
function rangeOf(values: Float32Array): [number, number] {
  let [min, max, sum] = [0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value < min) min = value;
    if (value > max) max = value;
    sum += value;
  }
  return Number.isNaN(sum) ? [sum, sum] : [min, max];
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
