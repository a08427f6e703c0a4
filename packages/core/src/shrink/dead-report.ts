import type { ChannelFlow, ObservedShapes } from "../channels/flow.js";
import { labelOf, type Model } from "../graph/index.js";
import { macsOf } from "../operators/macs.js";
import type { Skip } from "../runtime/index.js";
import type { ClearedWeights } from "./absorb-constants.js";
import type { Constants } from "./constant-rows.js";
import type { RemovalGroups } from "./removal-groups.js";
import type { Removal } from "./removal-limits.js";

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

/** The strongest reason of a group: proved without data, or observed; unused where no channel of it is constant. */
function kindOf(group: number, groups: RemovalGroups, certain: Removal, proved: Constants): DeadKind {
  if (certain.going[group] === 0) return "observed";
  const constant = groups.members[group]!.some(
    ({ value, channel }) => !Number.isNaN(proved.get(value)?.[channel] ?? Number.NaN),
  );
  return constant ? "proved" : "unused";
}

export function removedChannels(
  flow: ChannelFlow,
  groups: RemovalGroups,
  { going }: Removal,
  certain: Removal,
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

export function zeroedChannels(
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
export function skippedChannels(
  flow: ChannelFlow,
  groups: RemovalGroups,
  { going, reasons }: Removal,
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

export function sizeOfModel(model: Model, shapes: ObservedShapes): ModelSize {
  let parameters = 0;
  let bytes = 0;
  for (const tensor of model.graph.initializers.values()) {
    if (tensor.dtype.startsWith("float") || tensor.dtype === "bfloat16") parameters += tensor.size;
    bytes += tensor.byteLength ?? 0;
  }
  return {
    parameters,
    bytes,
    macs: macsOf(model, shapes).total,
  };
}
