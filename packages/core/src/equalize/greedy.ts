import type { ActivationStats } from "../calibrate/channel-stats.js";
import { labelOf } from "../graph/index.js";
import { LayerMaxima } from "./layer-maxima.js";
import { behindActivation, valuePower } from "./noise-values.js";
import type { FactorRules } from "./optimal.js";
import type { ClassLayer, ScaleClass, ScaleClasses } from "./scale-classes.js";

/** Options of the greedy algorithms. */
export interface GreedyOptions {
  /** S_max, the largest factor before normalisation. Default: 16. */
  smax?: number;
  /**
   * Limits each factor to max(A/|m_c|, 1) as well, A being the layer's largest activation and m_c the channel's lowest value
   * before the activation: the authors' own code does, the paper does not say so. Default: false.
   */
  limitPreActivation?: boolean;
}

const GREEDY_DEFAULTS = { smax: 16, limitPreActivation: false } as const satisfies Required<GreedyOptions>;

/** What a rule of Algorithm 1 or 2 knows of a layer, by output channel. */
export interface LayerRanges {
  /** getKerOutChMax: largest |weight|. */
  readonly kerOutChMax: Float64Array;
  /** getActOutChMax: largest |activation|, behind the activation function. */
  readonly actOutChMax: Float64Array;
  /** max(actOutChMax). */
  readonly actOutMax: number;
  /** By channel, the largest weight of a successor for its input, as share of that successor's largest; max over successors. */
  readonly sucInChShare: Float64Array;
  /** Largest factor allowed besides S_max. */
  readonly limit: Float64Array;
}

/** Scale of every output channel of a layer; 0 where the channel has no range and is left alone. */
export type LayerRule = (ranges: LayerRanges, smax: number) => Float64Array;

/** Result of a greedy algorithm, with what it had to leave out. */
export interface GreedyResult {
  readonly factors: Float64Array[];
  readonly skipped: readonly { readonly node: string; readonly opType: string; readonly reason: string }[];
}

/**
 * Runs a rule over all layers in topological order, each seeing the scaling of those before it. Layers whose outputs meet (Add,
 * Concat) share their class's factors: they are scaled together, by the least of their scales, when the first of them is reached.
 * `normalize` divides the scales of a layer by their minimum (Algorithm 2, line 15).
 */
export function greedyFactors(
  classes: ScaleClasses,
  stats: ActivationStats,
  rules: FactorRules,
  rule: LayerRule,
  options: GreedyOptions & { normalize: (scaleClass: ScaleClass) => boolean },
): GreedyResult {
  const { smax, limitPreActivation, normalize } = { ...GREEDY_DEFAULTS, ...options };
  const maxima = new LayerMaxima(classes);
  const factors = classes.classes.map(({ size }) => new Float64Array(size).fill(1));
  const skipped: { node: string; opType: string; reason: string }[] = [];
  const order = classes.flow.nodes.flatMap(({ layer }) =>
    layer ? (classes.values.get(layer.output)?.class ?? []) : [],
  );
  for (const id of new Set(order)) {
    const scaleClass = classes.classes[id]!;
    if (scaleClass.reason !== undefined) continue;
    const scales: Float64Array[] = [];
    for (const producer of scaleClass.producers) {
      const ranges = rangesOf(classes, scaleClass, producer, stats, maxima, factors, limitPreActivation);
      if (!ranges) {
        const { node, opType } = producer.layer;
        skipped.push({ node: labelOf(node), opType, reason: `no statistics of "${producer.layer.output}"` });
        continue;
      }
      const scale = toVariables(scaleClass, producer, rule(ranges, smax));
      if (normalize(scaleClass)) divideByLeast(scaleClass, scale);
      scales.push(scale);
    }
    const own = factors[id]!;
    own.forEach((_, variable) => {
      const given = scales.map((scale) => scale[variable]!).filter((scale) => scale > 0);
      if (given.length > 0 && scaleClass.pinned[variable] === undefined) own[variable] = Math.min(...given);
    });
    rules.project(factors);
  }
  return { factors, skipped };
}

function rangesOf(
  classes: ScaleClasses,
  scaleClass: ScaleClass,
  { layer, variables }: ClassLayer,
  stats: ActivationStats,
  maxima: LayerMaxima,
  factors: Float64Array[],
  limitPreActivation: boolean,
): LayerRanges | undefined {
  const { flow } = classes;
  const before = valuePower(flow, stats, layer.output);
  const behind = valuePower(flow, stats, behindActivation(flow.index, layer.output)) ?? before;
  if (!behind || behind.max.length !== variables.length) return undefined;
  const actOutChMax = behind.max.map((max, channel) => Math.max(max, -behind.min[channel]!));
  const actOutMax = largest(actOutChMax);
  const share = new Float64Array(scaleClass.size);
  for (const { layer: successor, variables: read } of scaleClass.consumers) {
    const inputs = maxima.inputs(successor, factors);
    const top = largest(inputs);
    read.forEach((variable, channel) => {
      if (top > 0) share[variable] = Math.max(share[variable]!, inputs[channel]! / top);
    });
  }
  const limit = Float64Array.from(variables, (_, channel) => {
    const low = before ? Math.min(before.min[channel]!, 0) : 0;
    return limitPreActivation && low < 0 ? Math.max(actOutMax / -low, 1) : Number.POSITIVE_INFINITY;
  });
  return {
    kerOutChMax: maxima.outputs(layer, factors),
    actOutChMax,
    actOutMax,
    sucInChShare: Float64Array.from(variables, (variable) => share[variable]!),
    limit,
  };
}

/** By variable, the least scale of its channels; 0 where the layer does not make it or it has no range. */
function toVariables(scaleClass: ScaleClass, { variables }: ClassLayer, scale: Float64Array): Float64Array {
  const result = new Float64Array(scaleClass.size);
  variables.forEach((variable, channel) => {
    const own = result[variable]!;
    const given = scale[channel]!;
    if (given > 0) result[variable] = own === 0 ? given : Math.min(own, given);
  });
  return result;
}

function divideByLeast(scaleClass: ScaleClass, scale: Float64Array): void {
  let least = Number.POSITIVE_INFINITY;
  scale.forEach((value, variable) => {
    if (value > 0 && scaleClass.pinned[variable] === undefined) least = Math.min(least, value);
  });
  if (least < Number.POSITIVE_INFINITY) for (let v = 0; v < scale.length; v++) scale[v] = scale[v]! / least;
}

export function largest(values: ArrayLike<number>): number {
  let most = 0;
  for (let k = 0; k < values.length; k++) if (values[k]! > most) most = values[k]!;
  return most;
}
