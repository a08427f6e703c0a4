import type { ChannelFlow } from "../channels/flow.js";
import { OptionsError } from "../errors.js";
import { labelOf } from "../graph/index.js";
import type { LinearLayer } from "../operators/index.js";
import type { RemovalGroups } from "./removal-groups.js";

/** Groups that shall go (1) or stay (0), and why those stay that somebody wanted to remove. */
export interface Removal {
  readonly going: Uint8Array;
  readonly reasons: Map<number, string>;
}

/**
 * Block of channels of ONNX Runtime's CPU kernels (AVX2; 16 with AVX-512). A convolution whose number of channels is no
 * multiple runs on slower ones: 310 of 325 million MACs of a MobileNetV1 0.75 took 1.28 × the time in float32 and 1.21 ×
 * in int8, with multiples of 8 kept 317 million took 0.95 × and 0.93 ×.
 */
export const ORT_CHANNEL_MULTIPLE = 8;

type Keep = (value: string, channel: number, reason: string) => void;

/** @throws {OptionsError} E2002 when it is no whole number from 1. */
export function requireChannelMultiple(name: string, multiple: number): number {
  if (!Number.isInteger(multiple) || multiple < 1) {
    throw new OptionsError("E2002", `${name}: invalid channelMultiple ${multiple}, expected a whole number from 1`, {
      actual: multiple,
    });
  }
  return multiple;
}

/**
 * Takes groups back that the graph cannot lose, or had better keep: fixed ones, the last channel of a value, unequal
 * numbers of channels in the groups of a convolution, and numbers of channels that are no multiple where they were one.
 */
export function takeBack(flow: ChannelFlow, groups: RemovalGroups, removal: Removal, multiple: number): void {
  const { going, reasons } = removal;
  let changed = true;
  const keep: Keep = (value, channel, reason) => {
    const group = groups.ofValue.get(value)![channel]!;
    if (going[group] === 0) return;
    going[group] = 0;
    reasons.set(group, reason);
    changed = true;
  };
  groups.fixed.forEach((reason, group) => {
    if (reason === undefined || going[group] === 0) return;
    going[group] = 0;
    reasons.set(group, reason);
  });
  // Every round takes back at least one group: it ends.
  while (changed) {
    changed = false;
    for (const [value, own] of groups.ofValue) {
      if (own.length > 0 && own.every((group) => going[group] === 1)) {
        keep(value, 0, `it is the last channel of "${value}"`);
      }
    }
    for (const { layer } of flow.nodes) {
      if (!layer) continue;
      if (layer.group > 1 && !layer.depthwise) evenOut(layer, groups, going, keep);
      if (multiple > 1) align(layer, groups, going, multiple, keep);
    }
  }
}

/** Convolution kernels work on blocks of channels: a number that was a multiple of the block stays one. */
function align(layer: LinearLayer, groups: RemovalGroups, going: Uint8Array, multiple: number, keep: Keep): void {
  if (!layer.convolves) return;
  const own = groups.ofValue.get(layer.output)!;
  if (own.length % multiple !== 0) return;
  const leaving = Array.from(own.keys()).filter((channel) => going[own[channel]!] === 1);
  const surplus = leaving.length % multiple;
  if (surplus === 0) return;
  const reason = `${layer.opType} "${labelOf(layer.node)}" keeps a multiple of ${multiple} channels`;
  for (const channel of leaving.slice(-surplus)) keep(layer.output, channel, reason);
}

/** Whole groups may go; of the others each must lose as many inputs and as many outputs as every other. */
function evenOut(layer: LinearLayer, groups: RemovalGroups, going: Uint8Array, keep: Keep): void {
  const sides = [layer.input, layer.output].map((value) => {
    const own = groups.ofValue.get(value)!;
    const size = own.length / layer.group;
    const leaving = Array.from({ length: layer.group }, (_, group) =>
      Array.from({ length: size }, (_unused, k) => group * size + k).filter((channel) => going[own[channel]!] === 1),
    );
    return { value, size, leaving };
  });
  const whole = Array.from({ length: layer.group }, (_, group) =>
    sides.every(({ size, leaving }) => leaving[group]!.length === size),
  );
  const reason = `the groups of ${layer.opType} "${labelOf(layer.node)}" must stay of equal size`;
  for (const { value, leaving, size } of sides) {
    const others = leaving.filter((_, group) => !whole[group]);
    // A group that keeps outputs needs an input, and one that keeps inputs feeds an output.
    const each = Math.min(size - 1, ...others.map((channels) => channels.length));
    for (const channels of others) for (const channel of channels.slice(each)) keep(value, channel, reason);
  }
}
