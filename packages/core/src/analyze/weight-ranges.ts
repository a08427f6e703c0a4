import { fold, upgradeOpset } from "../fold/index.js";
import { cloneModel, labelOf, type Model, type Tensor } from "../graph/index.js";
import { bfloat16ToFloat32, float16ToFloat32 } from "../math/float16.js";
import { type MsbHistogram, msbHistogram } from "../math/msb-histogram.js";
import { ValueHistogram } from "../math/value-histogram.js";
import { forEachWeight, type LinearLayer, linearLayers } from "../operators/index.js";

/** Range of the weights of one layer, as quantization will see them: with BatchNormalization folded in. */
export interface LayerRange {
  readonly name: string;
  readonly opType: string;
  readonly shape: readonly number[];
  readonly min: number;
  readonly max: number;
  /** Largest magnitude of each output channel. */
  readonly channelMax: readonly number[];
  /**
   * Largest channel magnitude divided by the smallest of the channels that are not dead: how much coarser one scale for
   * the tensor is than one a channel, for the channel that suffers most. 1 when all are dead.
   */
  readonly spread: number;
  /** Channels that carry nothing: below 2⁻¹⁶ of the largest, where even 16 bits per tensor make them zero. */
  readonly deadChannels: number;
  /** Channels that 8 bits per tensor make zero: below half a step, 1/254 of the largest. Dead ones count too. */
  readonly lostChannels: number;
  /** Share of the finite weights that are exactly zero, 0–1. */
  readonly zeroShare: number;
  /** Weights counted by floor(log2|w|) (MathWorks' quantization page). */
  readonly msb: MsbHistogram;
}

export interface WeightRanges {
  readonly layers: readonly LayerRange[];
  /** BatchNormalization nodes that can be folded. */
  readonly foldable: number;
  /** The folded copy that was looked at; the model itself where it cannot be folded. Not to be changed. */
  readonly folded: Model;
}

const DEAD = 2 ** -16;
const LOST = 1 / 254;

/** Ranges of all layers with constant float weights, folded in a copy. The model is not changed. */
export async function weightRanges(model: Model): Promise<WeightRanges> {
  let copy = cloneModel(model);
  let foldable = 0;
  try {
    await upgradeOpset()(copy, {});
    foldable = (await fold()(copy, {})).counts.batchNorms;
  } catch {
    // A model that cannot be folded still has weights: show them as they are.
    copy = model;
  }
  return { layers: linearLayers(copy.graph).flatMap((layer) => rangeOf(layer) ?? []), foldable, folded: copy };
}

/** Weights as numbers; undefined for integers and types that are not read. */
function realWeights({
  dtype,
  array,
}: {
  dtype: Tensor["dtype"];
  array: () => unknown;
}): ArrayLike<number> | undefined {
  switch (dtype) {
    case "float32":
    case "float64":
      return array() as Float32Array;
    case "float16":
      return float16ToFloat32(array() as Uint16Array);
    case "bfloat16":
      return bfloat16ToFloat32(array() as Uint16Array);
    default:
      return undefined;
  }
}

function rangeOf(layer: LinearLayer): LayerRange | undefined {
  const weights = realWeights({ dtype: layer.tensor.dtype, array: () => layer.tensor.array() });
  if (!weights || weights.length === 0) return undefined;
  const channelMax = new Float64Array(layer.outChannels);
  forEachWeight(layer, (flat, out) => {
    const magnitude = Math.abs(weights[flat]!);
    if (magnitude > channelMax[out]!) channelMax[out] = magnitude;
  });
  // Not in the visitor: a number it wrote to outside would be a new object for every weight.
  let [min, max] = [Infinity, -Infinity];
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i]!;
    if (weight < min) min = weight;
    if (weight > max) max = weight;
  }
  const top = Math.max(-min, max);
  const msb = msbHistogram(
    new ValueHistogram().add(weights instanceof Float32Array ? weights : Float32Array.from(weights)),
  );
  const alive = channelMax.filter((value) => value > top * DEAD);
  return {
    name: labelOf(layer.node),
    opType: layer.depthwise ? "DepthwiseConv" : layer.opType,
    shape: layer.tensor.dims,
    min,
    max,
    channelMax: [...channelMax],
    spread: alive.length === 0 ? 1 : top / alive.reduce((least, value) => Math.min(least, value)),
    deadChannels: channelMax.length - alive.length,
    lostChannels: channelMax.filter((value) => value < top * LOST || value === 0).length,
    zeroShare: msb.total === 0 ? 0 : msb.zeros / msb.total,
    msb,
  };
}
