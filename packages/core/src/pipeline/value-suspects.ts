import type { MeasuredLayer } from "../analyze/sqnr-layers.js";
import { type Calibration, type ChannelStats, calibrate } from "../calibrate/index.js";
import { indexGraph, labelOf, type Model, type Node } from "../graph/index.js";
import type { Encoding } from "../math/index.js";
import type { QuantizationPlan } from "../quantize/index.js";
import type { TransformContext } from "../runtime/index.js";
import { type Diagnosis, diagnoseValue } from "./diagnose.js";

/** A quantized value that no layer with weights makes: the output of an Add, a Concat, an activation. */
export interface ValueSuspect {
  /** The node that makes it. */
  readonly node: Node;
  /** Itself, and what shares its encoding. */
  readonly values: readonly string[];
  /** Nodes that must leave the integers for it to stay float: its maker, and what reads it on integers. */
  readonly around: readonly string[];
  /** Ratio of the value to its own rounding, in dB. */
  readonly localDb: number;
  readonly diagnosis: Diagnosis;
}

/**
 * The quantized values that lose most by their own rounding, lowest first, at most `count`. Values of layers are left out: they belong to
 * the layer. Reads the samples of the context once.
 */
export async function valueSuspects(
  model: Model,
  plan: QuantizationPlan,
  layers: readonly MeasuredLayer[],
  count: number,
  context: TransformContext,
): Promise<ValueSuspect[]> {
  const { graph } = model;
  const index = indexGraph(graph);
  const ofLayers = new Set(layers.map(({ encoding }) => encoding));
  const groups = new Map<Encoding, string[]>();
  for (const [value, encoding] of plan.activations) {
    if (ofLayers.has(encoding) || graph.initializers.has(value)) continue;
    groups.set(encoding, [...(groups.get(encoding) ?? []), value]);
  }
  const candidates = [...groups].flatMap(([encoding, values]) => {
    const made = values.find((value) => index.producer(value) !== undefined);
    return made === undefined ? [] : [{ encoding, values, value: made, node: index.producer(made)! }];
  });
  if (candidates.length === 0) return [];
  const requests = candidates.map(({ value }) => ({ value, moments: true, exactMinimum: false, histogram: false }));
  const statistics = await calibrate(model, { requests }, context);
  const isInteger = new Set([...plan.placement.nodes].map(labelOf));
  return candidates
    .map(({ encoding, values, value, node }) => {
      const stats = statsOf(statistics, value);
      const readers = values.flatMap((own) => index.uses(own).map((use) => labelOf(use.node)));
      const around = [...new Set([labelOf(node), ...readers])].filter((name) => isInteger.has(name));
      const localDb = roundingDb(stats, encoding);
      return { node, values, around, localDb, diagnosis: diagnoseValue(localDb, encoding, stats) };
    })
    .filter(({ around, localDb }) => around.length > 0 && Number.isFinite(localDb))
    .sort((a, b) => a.localDb - b.localDb)
    .slice(0, count);
}

const statsOf = (statistics: Calibration, value: string) => statistics.get(value).channelStats();

/** Mean power over scale²/12, in dB; Infinity where nothing is known of it. */
function roundingDb(stats: ChannelStats | undefined, { scale }: Encoding): number {
  if (!stats) return Number.POSITIVE_INFINITY;
  const powers = Array.from(stats.meanSquare);
  const power = powers.reduce((sum, value) => sum + value, 0) / powers.length;
  return 10 * Math.log10((12 * power) / scale[0]! ** 2);
}
