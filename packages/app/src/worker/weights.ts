import {
  cloneModel,
  fold,
  forEachWeight,
  type LinearLayer,
  labelOf,
  linearLayers,
  type Model,
  msbHistogram,
  roundHalfEven,
  upgradeOpset,
  ValueHistogram,
} from "@equant/core/web";
import type { ChannelBox, MsbCounts } from "../protocol.js";

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

export interface LayerWeights {
  readonly name: string;
  readonly boxes: readonly ChannelBox[];
  readonly msb: MsbCounts;
  readonly weightDb: { readonly perTensor: number; readonly perChannel: number };
}

/** Statistics of every layer's float weights. */
export function weightsOf(model: Model): LayerWeights[] {
  return linearLayers(model.graph).flatMap((layer) => {
    if (layer.tensor.dtype !== "float32") return [];
    const values = layer.tensor.array() as Float32Array;
    const channels = channelValues(layer, values);
    const histogram = new ValueHistogram();
    histogram.add(values);
    return {
      name: labelOf(layer.node),
      boxes: channels.map(boxOf),
      msb: msbHistogram(histogram),
      weightDb: weightDb(channels),
    };
  });
}

/** Five-number summaries by output channel, layer by layer. */
export function boxesOf(model: Model): { layer: string; boxes: ChannelBox[] }[] {
  return linearLayers(model.graph).flatMap((layer) =>
    layer.tensor.dtype === "float32"
      ? [{ layer: labelOf(layer.node), boxes: channelValues(layer, layer.tensor.array() as Float32Array).map(boxOf) }]
      : [],
  );
}

function channelValues(layer: LinearLayer, values: Float32Array): Float32Array[] {
  const size = values.length / layer.outChannels;
  const channels = Array.from({ length: layer.outChannels }, () => new Float32Array(size));
  const filled = new Uint32Array(layer.outChannels);
  forEachWeight(layer, (flat, out) => {
    channels[out]![filled[out]!++] = values[flat]!;
  });
  return channels;
}

/** Quartiles at rank q·(n − 1), between neighbours in proportion. Sorts in place. */
function boxOf(values: Float32Array): ChannelBox {
  values.sort();
  const at = (share: number) => {
    const rank = share * (values.length - 1);
    const low = Math.floor(rank);
    const first = values[low] ?? 0;
    return first + (rank - low) * ((values[low + 1] ?? first) - first);
  };
  return { min: at(0), q1: at(0.25), median: at(0.5), q3: at(0.75), max: at(1) };
}

/** Largest magnitude of int8 weights, symmetric. */
const TOP = 127;

/** 10·log10(ΣW²/Σ(W − Ŵ)²) with Ŵ = s·round(W/s), s = max|W|/127 over the tensor or over each channel. */
function weightDb(channels: readonly Float32Array[]): { perTensor: number; perChannel: number } {
  const tops = channels.map((values) => values.reduce((top, value) => Math.max(top, Math.abs(value)), 0));
  const top = tops.reduce((a, b) => Math.max(a, b), 0);
  let [signal, tensorNoise, channelNoise] = [0, 0, 0];
  for (const [index, values] of channels.entries()) {
    const [coarse, fine] = [top / TOP, tops[index]! / TOP];
    for (const value of values) {
      signal += value * value;
      if (coarse > 0) tensorNoise += (value - coarse * roundHalfEven(value / coarse)) ** 2;
      if (fine > 0) channelNoise += (value - fine * roundHalfEven(value / fine)) ** 2;
    }
  }
  const db = (noise: number) => (signal === 0 || noise === 0 ? 300 : 10 * Math.log10(signal / noise));
  return { perTensor: db(tensorNoise), perChannel: db(channelNoise) };
}
