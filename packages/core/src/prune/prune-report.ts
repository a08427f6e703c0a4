import { labelOf } from "../graph/index.js";
import { forEachWeight, type LinearLayer } from "../operators/index.js";
import type { PrunableParameter } from "./prunable.js";
import { parametersByLayer } from "./prunable.js";
import type { MaskArrays } from "./ranking.js";
import type { ParameterValues } from "./weight-scores.js";

/** What pruning left of one layer. */
export interface PrunedLayer {
  readonly layer: string;
  readonly opType: string;
  /** Prunable parameters, how many of them are removed, and their share. */
  readonly parameters: number;
  readonly removed: number;
  readonly sparsity: number;
  /** Output channels, and those of which every weight and the bias is 0. */
  readonly channels: number;
  readonly removedChannels: readonly number[];
  readonly remainingChannels: number;
}

/** One iteration of {@link prune}. */
export interface PruneIteration {
  /** From 1. */
  readonly iteration: number;
  /** Sparsity that the schedule asked for. */
  readonly target: number;
  /** Share of the prunable parameters that is removed. */
  readonly sparsity: number;
  /** What `evaluate` measured of the pruned network, after fine-tuning; null without. */
  readonly accuracy: number | null;
  /** The same before fine-tuning; null without either. */
  readonly accuracyBefore: number | null;
  /** Share of multiply–accumulate operations that removed channels save; null unless channels were pruned. */
  readonly macsSaved: number | null;
  readonly layers: readonly PrunedLayer[];
  /** Layers without a single weight left: nothing passes through them. */
  readonly collapsed: readonly string[];
}

/** Statistics of every layer (MathWorks' pruningStatistics), from the values after masking. */
export function prunedLayers(
  parameters: readonly PrunableParameter[],
  masks: MaskArrays,
  values: ParameterValues,
): PrunedLayer[] {
  return [...parametersByLayer(parameters)].map(([label, own]) => {
    const total = own.reduce((sum, { size }) => sum + size, 0);
    const removed = own.reduce((sum, { name }) => sum + zerosOf(masks.get(name)), 0);
    const layer = own[0]!.layer;
    const removedChannels = emptyChannels(layer, values);
    return {
      layer: label,
      opType: layer.opType,
      parameters: total,
      removed,
      sparsity: removed / total,
      channels: layer.outChannels,
      removedChannels,
      remainingChannels: layer.outChannels - removedChannels.length,
    };
  });
}

/** Layers whose weights are all removed: layer collapse (Tanaka et al. 2020). */
export function collapsedLayers(parameters: readonly PrunableParameter[], masks: MaskArrays): string[] {
  return parameters.flatMap(({ name, kind, size, layer }) =>
    kind === "weight" && zerosOf(masks.get(name)) === size ? [labelOf(layer.node)] : [],
  );
}

export function zerosOf(mask: Float32Array | undefined): number {
  let zeros = 0;
  if (mask) for (let i = 0; i < mask.length; i++) if (mask[i] === 0) zeros++;
  return zeros;
}

function emptyChannels(layer: LinearLayer, values: ParameterValues): number[] {
  const alive = new Uint8Array(layer.outChannels);
  const weight = values.get(layer.weight);
  const bias = layer.bias === undefined ? undefined : values.get(layer.bias);
  forEachWeight(layer, (flat, out) => {
    if (weight?.[flat] !== 0) alive[out] = 1;
  });
  bias?.forEach((value, out) => {
    if (value !== 0) alive[out] = 1;
  });
  return Array.from(alive.keys()).filter((channel) => alive[channel] === 0);
}
