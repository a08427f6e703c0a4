import type { ChannelFlow, NodeFlow } from "../equalize/channel-flow.js";
import { forEachWeight, type LinearLayer } from "../graph/index.js";
import { whyNotAbsorbed } from "./absorb-constants.js";
import type { RemovalGroups } from "./removal-groups.js";
import { type Removal, takeBack } from "./removal-limits.js";

/** Constant of every channel by value, NaN where it is none. */
export type Constants = ReadonlyMap<string, Float64Array>;

/** What can go, and which channels anybody needs as long as the others stay. */
export interface DeadAnalysis extends Removal {
  /** 1 where a channel is read by something that stays. */
  readonly needed: ReadonlyMap<string, Uint8Array>;
}

/**
 * The largest set of groups that can go: every channel of a group is a constant that its readers can absorb, or is needed
 * by nothing that stays. It starts from everything and takes groups back until nothing changes: a greatest fixed point.
 */
export function analyzeDead(flow: ChannelFlow, groups: RemovalGroups, constants: Constants): DeadAnalysis {
  const going = Uint8Array.from(groups.fixed, (reason) => (reason === undefined ? 1 : 0));
  const removal: Removal = { going, reasons: new Map() };
  const readers = layerReaders(flow);
  for (;;) {
    const needed = neededChannels(flow, groups, constants, going);
    let changed = false;
    groups.members.forEach((members, group) => {
      if (going[group] === 0) return;
      for (const { value, channel } of members) {
        if (needed.get(value)![channel] === 0) continue;
        const constant = constants.get(value)?.[channel] ?? Number.NaN;
        const reason = Number.isNaN(constant)
          ? `"${value}" is coupled with it and varies`
          : readers
              .get(value)
              ?.map((layer) => whyNotAbsorbed(flow, layer, constant))
              .find(Boolean);
        if (reason === undefined) continue;
        going[group] = 0;
        removal.reasons.set(group, reason);
        changed = true;
        break;
      }
    });
    if (takeBack(flow, groups, removal)) changed = true;
    if (!changed) return { ...removal, needed };
  }
}

/** Backwards through the graph: a channel is needed when an output, or something that stays and is needed, depends on it. */
function neededChannels(
  flow: ChannelFlow,
  groups: RemovalGroups,
  constants: Constants,
  going: Uint8Array,
): Map<string, Uint8Array> {
  const needed = new Map<string, Uint8Array>();
  for (const [value, own] of groups.ofValue) {
    const always = flow.index.isOutput(value) || flow.index.uses(value).some(({ input }) => input < 0);
    needed.set(value, new Uint8Array(own.length).fill(always ? 1 : 0));
  }
  /** A channel that stays and that somebody needs. What goes as a constant needs nothing before it any more. */
  const alive = (value: string, channel: number) =>
    needed.get(value)![channel] === 1 &&
    !(
      going[groups.ofValue.get(value)![channel]!] === 1 && !Number.isNaN(constants.get(value)?.[channel] ?? Number.NaN)
    );
  for (const node of [...flow.nodes].reverse()) markInputs(node, needed, alive);
  return needed;
}

function markInputs(
  { node, layer, links, inputs, outputs, reason }: NodeFlow,
  needed: ReadonlyMap<string, Uint8Array>,
  alive: (value: string, channel: number) => boolean,
): void {
  const opaque = reason !== undefined || outputs.length < node.outputs.filter(Boolean).length;
  if (opaque || outputs.some((value) => !needed.has(value))) {
    for (const value of inputs) needed.get(value)?.fill(1);
    return;
  }
  if (layer) {
    const own = needed.get(layer.input)!;
    const outs = Uint8Array.from({ length: layer.outChannels }, (_, channel) => (alive(layer.output, channel) ? 1 : 0));
    const weights = layer.tensor.array();
    forEachWeight(layer, (flat, out, input) => {
      if (outs[out] === 1 && Number(weights[flat]) !== 0) own[input] = 1;
    });
    return;
  }
  for (const { input, output, from, to } of links) {
    const own = needed.get(input)!;
    for (let k = 0; k < from.length; k++) if (alive(output, to[k]!)) own[from[k]!] = 1;
  }
}

/** Layers that read each value. */
export function layerReaders(flow: ChannelFlow): Map<string, LinearLayer[]> {
  const readers = new Map<string, LinearLayer[]>();
  for (const { layer } of flow.nodes) {
    if (!layer) continue;
    const list = readers.get(layer.input);
    if (list) list.push(layer);
    else readers.set(layer.input, [layer]);
  }
  return readers;
}
