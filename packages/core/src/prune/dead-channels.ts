import { macsOf } from "../analyze/macs.js";
import type { ActivationStats } from "../calibrate/channel-stats.js";
import { type ChannelFlow, channelFlow, type ObservedShapes } from "../equalize/channel-flow.js";
import { rejectUnknownOptions } from "../errors.js";
import { labelOf, type Model, removeDead } from "../graph/index.js";
import type { Skip, Transform, TransformReport } from "../runtime/index.js";
import {
  absorbConstants,
  type ClearedWeights,
  type LayerConstants,
  whyBiasIsFixed,
  whyNotAbsorbed,
} from "./absorb-constants.js";
import { analyzeDead, type Constants, type DeadAnalysis } from "./dead-analysis.js";
import { channelIntervals, constantsOf, type InputRange } from "./intervals.js";
import { observedConstants } from "./observed-constants.js";
import { type RemovalGroups, removalGroups } from "./removal-groups.js";
import { cutGroups } from "./shrink.js";

/** Options for {@link removeDeadChannels}. */
export interface DeadChannelsOptions {
  /** Sizes of all values, as `observeShapes` returns them. */
  shapes: ObservedShapes;
  /** What the preprocessing can produce, for proofs. Default: unknown. */
  inputRange?: InputRange | undefined;
  /** Statistics by channel of the values {@link deadChannelValues} names. */
  stats?: ActivationStats | undefined;
  /** Whether channels that were constant on all calibration data count. Default: true. */
  observed?: boolean | undefined;
}

export const DEAD_CHANNELS_DEFAULTS = { observed: true } as const;

/**
 * Why a channel is dead: `proved` constant for every input in the range, `observed` constant on all calibration data,
 * or `unused`: nothing reads it.
 */
export type DeadKind = "proved" | "observed" | "unused";

/** Dead channels of one layer's output. */
export interface DeadChannels {
  readonly layer: string;
  readonly opType: string;
  /** Output channels of the layer before. */
  readonly channels: number;
  readonly kind: DeadKind;
  readonly removed: readonly number[];
}

/** Channels of a layer that stayed, with zeros for weights. */
export interface ZeroedChannels {
  readonly layer: string;
  readonly opType: string;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

/** Size of a model: weights and work. */
export interface ModelSize {
  readonly parameters: number;
  readonly bytes: number;
  /** Multiply–accumulate operations at the batch size of the shapes. */
  readonly macs: number;
}

/** What {@link removeDeadChannels} did. */
export interface DeadChannelsReport extends TransformReport {
  readonly transform: "removeDeadChannels";
  /** Channels that left the graph, by layer and kind. */
  readonly removed: readonly DeadChannels[];
  /** Constant channels that could not leave: their weights became zeros, their constants moved into biases. */
  readonly zeroed: readonly ZeroedChannels[];
  readonly before: ModelSize;
  readonly after: ModelSize;
  /** Sizes of all values afterwards. */
  readonly shapes: ObservedShapes;
}

/**
 * Removes channels that are constant, or that nothing reads: their constants move into the readers' biases
 * (b_o += Σ_c W_oc·k_c), then they leave the graph through everything they are coupled with.
 *
 * Preserves the function for every input in `inputRange` as far as channels were proved, and on the calibration data
 * as far as they were observed: one that was silent there may speak elsewhere, so measure, or set `observed: false`.
 * Skips, with the reason: constants other than 0 in front of padding, channels coupled with living ones.
 */
export function removeDeadChannels(options: DeadChannelsOptions): Transform<DeadChannelsReport> {
  rejectUnknownOptions("removeDeadChannels", options, ["shapes", "inputRange", "stats", "observed"]);
  return (model) => {
    const { shapes, inputRange } = options;
    const flow = channelFlow(model.graph, shapes);
    const groups = removalGroups(flow, shapes, model.opsets.get("") ?? 0);
    const constantsWith = (known?: Constants): Constants => {
      const intervals = channelIntervals(flow, shapes, { inputRange, known });
      return new Map([...intervals].map(([value, bounds]) => [value, constantsOf(bounds)]));
    };
    const proved = constantsWith();
    const observes = (options.observed ?? DEAD_CHANNELS_DEFAULTS.observed) && options.stats !== undefined;
    const constants = observes ? constantsWith(observedConstants(flow, shapes, options.stats!)) : proved;
    const certain = analyzeDead(flow, groups, proved);
    const analysis = observes ? analyzeDead(flow, groups, constants) : certain;

    const before = sizeOfModel(model, shapes);
    const changes = planConstants(flow, constants);
    const removed = removedChannels(flow, groups, analysis, certain, proved);
    const skipped = skippedChannels(flow, groups, analysis, constants);
    const { cleared, aliases } = absorbConstants(model, flow, changes);
    const zeroed = zeroedChannels(groups, analysis.going, cleared);
    const widened = new Map(shapes);
    for (const [inner, outer] of aliases) widened.set(inner, shapes.get(outer)!);
    const after = analysis.going.includes(1)
      ? cutGroups(model, channelFlow(model.graph, widened), widened, groups, analysis.going, aliases)
      : widened;
    const modified = cleared.length > 0 || analysis.going.includes(1);
    if (modified) removeDead(model.graph);
    return {
      transform: "removeDeadChannels",
      modified,
      skipped,
      removed,
      zeroed,
      before,
      after: sizeOfModel(model, after),
      shapes: after,
    };
  };
}

/** Every constant a layer can absorb, and every output channel it can make a constant. */
function planConstants(flow: ChannelFlow, constants: Constants): LayerConstants[] {
  return flow.nodes.flatMap(({ layer, reason }) => {
    if (!layer || reason !== undefined || whyBiasIsFixed(flow, layer)) return [];
    const none = (count: number) => new Float64Array(count).fill(Number.NaN);
    const inputs = (constants.get(layer.input) ?? none(layer.inChannels)).map((constant) =>
      Number.isNaN(constant) || whyNotAbsorbed(flow, layer, constant) ? Number.NaN : constant,
    );
    const outputs = constants.get(layer.output) ?? none(layer.outChannels);
    return [{ layer, inputs, outputs }];
  });
}

/** The strongest reason of a group: proved without data, or observed; unused where no channel of it is constant. */
function kindOf(group: number, groups: RemovalGroups, certain: DeadAnalysis, proved: Constants): DeadKind {
  if (certain.going[group] === 0) return "observed";
  const constant = groups.members[group]!.some(
    ({ value, channel }) => !Number.isNaN(proved.get(value)?.[channel] ?? Number.NaN),
  );
  return constant ? "proved" : "unused";
}

function removedChannels(
  flow: ChannelFlow,
  groups: RemovalGroups,
  { going }: DeadAnalysis,
  certain: DeadAnalysis,
  proved: Constants,
): DeadChannels[] {
  return byLayer(flow, (value, channel) => {
    const group = groups.ofValue.get(value)![channel]!;
    return going[group] === 1 ? kindOf(group, groups, certain, proved) : undefined;
  });
}

/** Output channels of layers by kind, for those that have one. */
function byLayer(flow: ChannelFlow, kind: (value: string, channel: number) => DeadKind | undefined): DeadChannels[] {
  const result: DeadChannels[] = [];
  for (const { layer } of flow.nodes) {
    if (!layer) continue;
    const kinds = Array.from({ length: layer.outChannels }, (_, channel) => kind(layer.output, channel));
    for (const each of ["proved", "observed", "unused"] as const) {
      const removed = kinds.flatMap((own, channel) => (own === each ? [channel] : []));
      if (removed.length === 0) continue;
      result.push({
        layer: labelOf(layer.node),
        opType: layer.opType,
        channels: layer.outChannels,
        kind: each,
        removed,
      });
    }
  }
  return result;
}

function zeroedChannels(
  groups: RemovalGroups,
  going: Uint8Array,
  cleared: readonly ClearedWeights[],
): ZeroedChannels[] {
  const staying = (value: string, channels: readonly number[]) =>
    channels.filter((channel) => going[groups.ofValue.get(value)![channel]!] === 0);
  return cleared.flatMap(({ layer, inputs, outputs }) => {
    const zeroed = {
      layer: labelOf(layer.node),
      opType: layer.opType,
      inputs: staying(layer.input, inputs),
      outputs: staying(layer.output, outputs),
    };
    return zeroed.inputs.length + zeroed.outputs.length > 0 ? [zeroed] : [];
  });
}

/** Constant channels that stay, by the value where they are constant first, with the reason. */
function skippedChannels(
  flow: ChannelFlow,
  groups: RemovalGroups,
  { going, reasons }: DeadAnalysis,
  constants: Constants,
): Skip[] {
  const found = new Map<string, Map<string, number[]>>();
  groups.members.forEach((members, group) => {
    if (going[group] === 1) return;
    const first = members.find(({ value, channel }) => !Number.isNaN(constants.get(value)?.[channel] ?? Number.NaN));
    const reason = groups.fixed[group] ?? reasons.get(group);
    if (!first || reason === undefined) return;
    const own = found.get(first.value) ?? new Map<string, number[]>();
    found.set(first.value, own.set(reason, [...(own.get(reason) ?? []), first.channel]));
  });
  return [...found].flatMap(([value, own]) => {
    const producer = flow.index.producer(value);
    return [...own].map(([reason, channels]) => ({
      node: producer ? labelOf(producer) : value,
      opType: producer?.opType ?? "Input",
      reason: `constant channels ${channels.join(", ")} stay: ${reason}`,
    }));
  });
}

function sizeOfModel(model: Model, shapes: ObservedShapes): ModelSize {
  let parameters = 0;
  let bytes = 0;
  for (const tensor of model.graph.initializers.values()) {
    if (tensor.dtype.startsWith("float") || tensor.dtype === "bfloat16") parameters += tensor.size;
    bytes += tensor.byteLength ?? 0;
  }
  return { parameters, bytes, macs: macsOf(model, shapes).total };
}
