import {
  type Encoding,
  encodingFromRange,
  type LinearLayer,
  labelOf,
  linearLayers,
  type Model,
  WEIGHT_ENCODING,
} from "@equant/core/lab";
import type { LayerWeights, MsbRow } from "../schema.js";
import { channelBoxes } from "./channel-boxes.js";
import { reportEncoding } from "./rounding.js";
import { msbRow } from "./tensors.js";

/** A layer with the encoding of its weights as int8 with one scale. */
export interface FloatLayer {
  readonly name: string;
  readonly layer: LinearLayer;
  readonly values: Float32Array;
  readonly encoding: Encoding;
}

/** Every layer whose float weights can be looked at: all of them finite. */
export function floatLayers(model: Model): FloatLayer[] {
  return linearLayers(model.graph).flatMap((layer) => {
    if (layer.tensor.dtype !== "float32") return [];
    const values = layer.tensor.array() as Float32Array;
    const range = rangeOf(values);
    if (!Number.isFinite(range.min) || !Number.isFinite(range.max)) return [];
    return [{ name: labelOf(layer.node), layer, values, encoding: encodingFromRange(range, WEIGHT_ENCODING) }];
  });
}

/** Leading bits of a layer's weights, against int8 with one scale. */
export function floatMsb({ name, layer, values, encoding }: FloatLayer): MsbRow {
  return msbRow({ layer: name, tensor: layer.weight, kind: "weights" }, values, encoding, layer.tensor.dims);
}

/**
 * Weights by channel of every layer, or of those named, before equalization and, where there is one, in the network after it, against
 * int8 with one scale. Sorting for the quartiles takes as long as all other statistics together.
 */
export function floatWeights(before: Model, after?: Model, names?: readonly string[]): LayerWeights[] {
  const stateOf = ({ layer, encoding }: FloatLayer) => ({
    channels: channelBoxes(layer),
    encoding: reportEncoding(encoding),
  });
  const now = new Map(after ? floatLayers(after).map((own) => [own.name, own]) : []);
  return floatLayers(before)
    .filter(({ name }) => names?.includes(name) ?? true)
    .map((own) => ({
      layer: own.name,
      opType: own.layer.depthwise ? "DepthwiseConv" : own.layer.opType,
      before: stateOf(own),
      after: now.has(own.name) ? stateOf(now.get(own.name)!) : null,
    }));
}

/** Smallest and largest value, 0 included; NaN where there is one. */
function rangeOf(values: Float32Array): { min: number; max: number } {
  let [min, max, sum] = [0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value < min) min = value;
    if (value > max) max = value;
    sum += value;
  }
  return Number.isNaN(sum) ? { min: sum, max: sum } : { min, max };
}
