import {
  type Encoding,
  type LayerParameters,
  type LinearLayer,
  labelOf,
  linearLayers,
  type Model,
  msbHistogram,
  type QuantizationPlan,
  representability,
  ValueHistogram,
} from "@equant/core/lab";
import type { LayerWeights, MsbRow, RangeRow, WeightState } from "../schema.js";
import { channelBoxes } from "./channel-boxes.js";
import { type ChannelRows, weightChannels } from "./msb-channels.js";
import { reportEncoding, short, shortNumber } from "./rounding.js";

/** A float network and how it is quantized. */
export interface NetworkState {
  readonly floatModel: Model;
  readonly plan: QuantizationPlan;
}

/** Weights by channel of every layer, before and after; layers are matched by name. */
export function collectWeights(before: NetworkState, after: NetworkState): LayerWeights[] {
  const [old, now] = [weightStates(before), weightStates(after)];
  const names = [...new Set([...old.keys(), ...now.keys()])];
  return names.map((layer) => {
    const [a, b] = [old.get(layer), now.get(layer)];
    return { layer, opType: (a ?? b)!.opType, before: a?.state ?? null, after: b?.state ?? null };
  });
}

function weightStates({ floatModel, plan }: NetworkState) {
  const encodings = new Map(plan.parameters.map(({ layer, weight }) => [labelOf(layer.node), weight.encoding]));
  const states = new Map<string, { opType: string; state: WeightState }>();
  for (const layer of linearLayers(floatModel.graph)) {
    if (layer.tensor.dtype !== "float32") continue;
    const name = labelOf(layer.node);
    const encoding = encodings.get(name);
    const opType = layer.depthwise ? "DepthwiseConv" : layer.opType;
    const state = { channels: channelBoxes(layer), encoding: encoding ? reportEncoding(encoding) : null };
    states.set(name, { opType, state });
  }
  return states;
}

/** Values shown in the worked example of a row. */
const EXAMPLES = [0, 0.02, 0.1, 0.25, 0.5, 0.75, 0.95, 1];

/**
 * Histogram row of a tensor whose values are at hand; overflow and underflow are counted. With the layer whose weights they
 * are, the channels that lose most are rows of their own.
 */
export function msbRow(
  what: Pick<MsbRow, "layer" | "tensor" | "kind">,
  values: Float32Array,
  encoding: Encoding | undefined,
  dims: readonly number[],
  layer?: LinearLayer,
): MsbRow {
  const histogram = new ValueHistogram().add(values);
  const losses = encoding && representability(values, encoding, { dims });
  const channels = layer && encoding ? weightChannels(layer, encoding) : {};
  return msbOf(what, histogram, encoding, losses, examplesOf(values), channels);
}

/** Histogram row from counts. */
export function msbOf(
  what: Pick<MsbRow, "layer" | "tensor" | "kind">,
  histogram: ValueHistogram,
  encoding: Encoding | undefined,
  losses: { overflow: number; underflow: number } | undefined,
  examples: number[],
  channels: ChannelRows = {},
): MsbRow {
  const { first, positive, negative, zeros, total } = msbHistogram(histogram);
  return {
    ...what,
    first,
    positive,
    negative,
    zeros,
    total,
    encoding: encoding ? reportEncoding(encoding) : null,
    overflow: losses?.overflow ?? null,
    underflow: losses?.underflow ?? null,
    exact: true,
    examples,
    ...channels,
  };
}

/** Values that examples are picked from, besides the extremes. */
const EXAMPLE_POOL = 2048;

/** Some finite values from the smallest to the largest magnitude, zeros left out. */
export function examplesOf(values: Float32Array): number[] {
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  let [small, large] = [Number.POSITIVE_INFINITY, 0];
  for (let at = 0; at < values.length; at++) {
    const value = values[at]!;
    const magnitude = Math.abs(value);
    if (magnitude > 0 && magnitude < small) {
      small = magnitude;
      least = value;
    }
    if (magnitude > large && magnitude < Number.POSITIVE_INFINITY) {
      large = magnitude;
      most = value;
    }
  }
  if (most === 0) return [];
  const stride = Math.ceil(values.length / EXAMPLE_POOL);
  const pool: number[] = [];
  for (let at = 0; at < values.length; at += stride) {
    if (values[at] !== 0 && Number.isFinite(values[at])) pool.push(values[at]!);
  }
  const sorted = [least, ...pool, most].sort((a, b) => Math.abs(a) - Math.abs(b));
  return short(new Set(EXAMPLES.map((p) => sorted[Math.round((sorted.length - 1) * p)]!)), 6);
}

/** Rows of weights and biases. */
export function collectParameterMsb({ floatModel, plan }: NetworkState): MsbRow[] {
  const byName = new Map<string, LayerParameters>(plan.parameters.map((own) => [labelOf(own.layer.node), own]));
  return linearLayers(floatModel.graph).flatMap((layer) => {
    if (layer.tensor.dtype !== "float32") return [];
    const name = labelOf(layer.node);
    const own = byName.get(name);
    const weights = layer.tensor.array() as Float32Array;
    const rows = [
      msbRow(
        { layer: name, tensor: layer.weight, kind: "weights" },
        weights,
        own?.weight.encoding,
        layer.tensor.dims,
        layer,
      ),
    ];
    const bias = layer.bias && floatModel.graph.initializers.get(layer.bias);
    if (bias && bias.dtype === "float32") {
      const encoding = own?.bias?.data ? own.bias.encoding : undefined;
      const values = bias.array() as Float32Array;
      rows.push(msbRow({ layer: name, tensor: layer.bias!, kind: "bias" }, values, encoding, bias.dims));
    }
    return rows;
  });
}

/** Ranges of weights and biases. */
export function collectParameterRanges({ floatModel }: NetworkState): RangeRow[] {
  return linearLayers(floatModel.graph).flatMap((layer) =>
    (
      [
        ["weights", layer.weight],
        ["bias", layer.bias],
      ] as const
    ).flatMap(([kind, tensor]): RangeRow[] => {
      if (tensor === undefined) return [];
      const values = floatModel.graph.initializers.get(tensor);
      if (values?.dtype !== "float32" || values.size === 0) return [];
      let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
      for (const value of values.array() as Float32Array) {
        if (value < min) min = value;
        if (value > max) max = value;
      }
      return [{ layer: labelOf(layer.node), tensor, kind, min: shortNumber(min, 7), max: shortNumber(max, 7) }];
    }),
  );
}
