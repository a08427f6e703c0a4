import {
  cloneModel,
  encodingFromRange,
  fold,
  forEachWeight,
  type LinearLayer,
  labelOf,
  linearLayers,
  type Model,
  roundHalfEven,
  upgradeOpset,
  WEIGHT_ENCODING,
} from "@equant/core/web";
import { channelBoxes, type LayerWeights, type MsbRow, msbRow } from "@equant/report";

/** The model with BatchNormalization folded, as quantization will see the weights; the model itself where that fails. */
export async function foldedCopy(model: Model): Promise<Model> {
  try {
    const copy = cloneModel(model);
    await upgradeOpset()(copy, {});
    await fold()(copy, {});
    return copy;
  } catch {
    return model;
  }
}

export interface WeightFacts {
  readonly weights: LayerWeights;
  readonly msb: MsbRow;
  readonly weightDb: { readonly perTensor: number; readonly perChannel: number };
}

/** Statistics of every layer's float weights, and what int8 with one scale would do to them. */
export function weightsOf(model: Model): Map<string, WeightFacts> {
  const facts = new Map<string, WeightFacts>();
  for (const layer of linearLayers(model.graph)) {
    if (layer.tensor.dtype !== "float32") continue;
    const name = labelOf(layer.node);
    const values = layer.tensor.array() as Float32Array;
    const [min, max] = rangeOf(values);
    if (!Number.isFinite(min) || !Number.isFinite(max)) continue;
    const msb = msbRow(
      { layer: name, tensor: layer.weight, kind: "weights" },
      values,
      encodingFromRange({ min, max }, WEIGHT_ENCODING),
      layer.tensor.dims,
    );
    const opType = layer.depthwise ? "DepthwiseConv" : layer.opType;
    const weights: LayerWeights = {
      layer: name,
      opType,
      before: { channels: channelBoxes(layer), encoding: msb.encoding },
      after: null,
    };
    facts.set(name, { weights, msb, weightDb: weightDb(layer, values) });
  }
  return facts;
}

/** Smallest and largest value, 0 included; NaN where there is one. */
function rangeOf(values: Float32Array): [number, number] {
  let [min, max, sum] = [0, 0, 0];
  for (const value of values) {
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
  let signal = 0;
  forEachWeight(layer, (flat, out) => {
    const magnitude = Math.abs(values[flat]!);
    signal += magnitude * magnitude;
    if (magnitude > tops[out]!) tops[out] = magnitude;
  });
  const coarse = tops.reduce((a, b) => Math.max(a, b), 0) / TOP;
  const fine = tops.map((top) => top / TOP);
  let [tensorNoise, channelNoise] = [0, 0];
  forEachWeight(layer, (flat, out) => {
    const value = values[flat]!;
    if (value === 0) return;
    const coarseError = value - coarse * roundHalfEven(value / coarse);
    const fineError = value - fine[out]! * roundHalfEven(value / fine[out]!);
    tensorNoise += coarseError * coarseError;
    channelNoise += fineError * fineError;
  });
  const db = (power: number) => (signal === 0 || power === 0 ? 300 : 10 * Math.log10(signal / power));
  return { perTensor: db(tensorNoise), perChannel: db(channelNoise) };
}
