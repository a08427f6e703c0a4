import type { ChannelFlow, NodeFlow } from "../equalize/channel-flow.js";
import { forEachWeight, type LinearLayer } from "../graph/index.js";
import { whyNotAbsorbed } from "./absorb-constants.js";
import type { RemovalGroups } from "./removal-groups.js";
import type { Removal } from "./removal-limits.js";

/** Constant of every channel by value, NaN where it is none. */
export type Constants = ReadonlyMap<string, Float64Array>;

/** How a channel is needed by what stays. */
const UNNEEDED = 0;
/** Layers read it: a constant can move into their biases. */
const READ = 1;
/** An output, a subgraph or an operator that mixes channels reads it. */
const SEEN = 2;

/**
 * The largest set of dead groups: every channel of a group is a constant that its readers can absorb, or is needed by
 * nothing that lives. It starts from everything and takes groups back until nothing changes: a greatest fixed point.
 * Dead groups may still be fixed in the graph; then zeros take their place.
 */
export function analyzeDead(flow: ChannelFlow, groups: RemovalGroups, constants: Constants): Removal {
  const going = new Uint8Array(groups.members.length).fill(1);
  const reasons = new Map<number, string>();
  const readers = layerReaders(flow);
  const constantOf = (value: string, channel: number) => constants.get(value)?.[channel] ?? Number.NaN;
  for (let changed = true; changed; ) {
    changed = false;
    const needed = neededChannels(flow, groups, constantOf, going);
    groups.members.forEach((members, group) => {
      if (going[group] === 0) return;
      for (const { value, channel } of members) {
        const need = needed.get(value)![channel]!;
        if (need === UNNEEDED) continue;
        const constant = constantOf(value, channel);
        const reason =
          Number.isNaN(constant) || need === SEEN
            ? whyAlive(groups, value, group, need)
            : readers
                .get(value)
                ?.map((layer) => whyNotAbsorbed(flow, layer, constant))
                .find(Boolean);
        if (reason === undefined) continue;
        going[group] = 0;
        reasons.set(group, reason);
        changed = true;
        break;
      }
    });
  }
  return { going, reasons };
}

function whyAlive(groups: RemovalGroups, value: string, group: number, need: number): string {
  const fixed = groups.fixed[group];
  if (need === SEEN && fixed !== undefined) return fixed;
  return `"${value}" is coupled with it and varies`;
}

/** Backwards through the graph: a channel is needed when an output, or something that lives and is needed, depends on it. */
function neededChannels(
  flow: ChannelFlow,
  groups: RemovalGroups,
  constantOf: (value: string, channel: number) => number,
  going: Uint8Array,
): Map<string, Uint8Array> {
  const needed = new Map<string, Uint8Array>();
  for (const [value, own] of groups.ofValue) {
    const seen = flow.index.isOutput(value) || flow.index.uses(value).some(({ input }) => input < 0);
    needed.set(value, new Uint8Array(own.length).fill(seen ? SEEN : UNNEEDED));
  }
  /** A dead constant needs nothing before it any more. */
  const alive = (value: string, channel: number) =>
    needed.get(value)![channel] !== UNNEEDED &&
    !(going[groups.ofValue.get(value)![channel]!] === 1 && !Number.isNaN(constantOf(value, channel)));
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
    for (const value of inputs) needed.get(value)?.fill(SEEN);
    return;
  }
  const mark = (own: Uint8Array, channel: number) => {
    if (own[channel] === UNNEEDED) own[channel] = READ;
  };
  if (layer) {
    const own = needed.get(layer.input)!;
    const outs = Uint8Array.from({ length: layer.outChannels }, (_, channel) => (alive(layer.output, channel) ? 1 : 0));
    const weights = layer.tensor.array();
    forEachWeight(layer, (flat, out, input) => {
      if (outs[out] === 1 && Number(weights[flat]) !== 0) mark(own, input);
    });
    return;
  }
  for (const { input, output, from, to } of links) {
    const own = needed.get(input)!;
    for (let k = 0; k < from.length; k++) if (alive(output, to[k]!)) mark(own, from[k]!);
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
