import type { ActivationStats } from "../calibrate/channel-stats.js";
import { labelOf } from "../graph/index.js";
import type { LinearLayer } from "../operators/index.js";
import type { TransformReport } from "../runtime/index.js";
import type { AbsorbedBias } from "./absorb-bias.js";
import type { ClipEdit } from "./apply-factors.js";
import type { ClipReach, Relu6Mode } from "./clip-rules.js";
import type { EqualizeMethod } from "./equalize-options.js";
import { factorsOf } from "./factors.js";
import { LayerMaxima } from "./layer-maxima.js";
import { type NoiseModel, termNoise } from "./noise-model.js";
import { behindActivation, valuePower } from "./noise-values.js";
import type { ScaleClass, ScaleClasses, ScaleFactors } from "./scale-classes.js";

/** One scale class after equalization. */
export interface EqualizedClass {
  readonly id: number;
  readonly producers: readonly string[];
  readonly consumers: readonly string[];
  /** Channels that were free to scale. */
  readonly channels: number;
  readonly minFactor: number;
  readonly maxFactor: number;
  /** Predicted noise of everything the class touches; undefined without statistics. */
  readonly noiseBefore: number | undefined;
  readonly noiseAfter: number | undefined;
  /** Largest |value| of every channel behind the first producer's activation; undefined without statistics. */
  readonly activations: { readonly before: readonly number[]; readonly after: readonly number[] } | undefined;
}

/** Below this share of the layer's largest range a channel counts as empty: float32 has 24 bits. */
const EMPTY = 2 ** -24;

/** Ranges of a layer's weights by output channel: largest over smallest, empty channels left out. */
export interface LayerSpread {
  readonly node: string;
  readonly before: number;
  readonly after: number;
}

/** A Clip after equalization, and how many channels reached its bound on calibration data (undefined without statistics). */
export interface EqualizedClip extends ClipEdit {
  readonly reached: number | undefined;
}

/** Something that made matters worse and was taken back. */
export interface UndoneClass {
  /** Class, or −1 where it concerns the whole step. */
  readonly class: number;
  readonly producers: readonly string[];
  readonly reason: string;
}

/** Difference of the network's outputs before and after, as share of the range of the output before. */
export interface Drift {
  readonly max: number;
  readonly mean: number;
}

/** What {@link equalize} did. */
export interface EqualizeReport extends TransformReport {
  readonly transform: "equalize";
  readonly method: EqualizeMethod;
  readonly relu6: Relu6Mode;
  readonly granularity: "per-tensor" | "per-channel";
  readonly classes: readonly EqualizedClass[];
  readonly layers: readonly LayerSpread[];
  readonly clips: readonly EqualizedClip[];
  /** Predicted noise over signal, summed over layers and values; undefined without statistics. */
  readonly noise: { readonly before: number; readonly after: number } | undefined;
  /** `optimal`: no factors within 2^±20 have less noise than `lowerBound`. */
  readonly proof: { readonly lowerBound: number; readonly gap: number; readonly iterations: number } | undefined;
  /** Muls put in front of layers that read what cannot be scaled, and by how many dB each lowers the predicted noise. */
  readonly branches: readonly { readonly value: string; readonly gainDb: number }[];
  readonly absorbed: readonly AbsorbedBias[];
  /** Undefined without probes. */
  readonly drift: Drift | undefined;
  readonly undone: readonly UndoneClass[];
  /** With `keep: 'always'`: what spoke against the factors that stay. */
  readonly worse: readonly UndoneClass[];
}

/** Predicted noise of the terms that each class touches. */
export function noiseByClass(model: NoiseModel, factors: ScaleFactors): Float64Array {
  const result = new Float64Array(factors.length);
  for (const term of model.terms) {
    const noise = termNoise(term, factors);
    for (const id of new Set([term.rowClass, term.columnClass])) if (id >= 0) result[id] = result[id]! + noise;
  }
  return result;
}

/** Spread of every layer before and after. */
export function layerSpreads(classes: ScaleClasses, before: ScaleFactors, after: ScaleFactors): LayerSpread[] {
  const maxima = new LayerMaxima(classes);
  return classes.flow.nodes.flatMap(({ layer }) => {
    if (layer?.tensor.dtype !== "float32") return [];
    return {
      node: labelOf(layer.node),
      before: spread(maxima.outputs(layer, before)),
      after: spread(maxima.outputs(layer, after)),
    };
  });
}

function spread(ranges: Float64Array): number {
  const most = ranges.reduce((a, b) => Math.max(a, b), 0);
  const least = ranges.reduce((a, b) => (b > most * EMPTY ? Math.min(a, b) : a), most);
  return most > 0 ? most / least : 1;
}

/** One class in the report. */
export function describeClass(
  classes: ScaleClasses,
  { id, producers, consumers, pinned }: ScaleClass,
  allFactors: ScaleFactors,
  noise: { before: Float64Array; after: Float64Array } | undefined,
  stats: ActivationStats | undefined,
): EqualizedClass {
  const factors = allFactors[id] as Float64Array;
  const free = factors.filter((_, variable) => pinned[variable] === undefined);
  return {
    id,
    producers: producers.map(({ layer }) => labelOf(layer.node)),
    consumers: consumers.map(({ layer }) => labelOf(layer.node)),
    channels: free.length,
    minFactor: free.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
    maxFactor: free.reduce((a, b) => Math.max(a, b), 0),
    noiseBefore: noise?.before[id],
    noiseAfter: noise?.after[id],
    activations: stats && producers[0] && activationMaxima(classes, producers[0].layer, allFactors, stats),
  };
}

/** As measured before; the function unchanged, a channel's maximum afterwards is its factor times as large. */
function activationMaxima(
  classes: ScaleClasses,
  { output }: LinearLayer,
  factors: ScaleFactors,
  stats: ActivationStats,
): EqualizedClass["activations"] {
  const value = behindActivation(classes.flow.index, output);
  const power = valuePower(classes.flow, stats, value);
  if (!power) return undefined;
  const before = power.max.map((max, channel) => Math.max(max, -power.min[channel]!));
  const own = factorsOf(classes, factors, value);
  const short = (values: Float64Array) => Array.from(values, (x) => Number(x.toPrecision(6)));
  return { before: short(before), after: short(own ? before.map((max, channel) => max * own[channel]!) : before) };
}

/** Adds to each edit of a Clip how many of its channels reached the bound. */
export function describeClips(
  edits: readonly ClipEdit[],
  reaches: readonly (ClipReach | undefined)[],
): EqualizedClip[] {
  const byNode = new Map(reaches.flatMap((reach) => (reach ? [[labelOf(reach.clip.node), reach] as const] : [])));
  return edits.map((edit) => ({
    ...edit,
    reached: byNode.get(edit.node)?.reached.reduce((sum, hit) => sum + hit, 0),
  }));
}
