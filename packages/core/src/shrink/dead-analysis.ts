import type { ChannelFlow, NodeFlow } from "../channels/flow.js";
import { forEachWeight, type LinearLayer } from "../operators/index.js";
import { whyBiasIsFixed, whyNotAbsorbed } from "./absorb-constants.js";
import { type Constants, constantRows } from "./constant-rows.js";
import type { RemovalGroups } from "./removal-groups.js";
import type { Removal } from "./removal-limits.js";

/** How a channel is needed by what lives; the larger the stronger. */
const UNNEEDED = 0;
/** Only layers read it, and it is a constant that all of them can take into their biases. */
const ABSORBED = 1;
const READ = 2;
/** An output, a subgraph or an operator that mixes channels reads it. */
const SEEN = 3;

/**
 * The largest set of dead groups: every channel of a group is a constant that its readers can absorb, or is needed by
 * nothing that lives. It starts from everything and takes groups back until nothing changes: a greatest fixed point.
 * Dead groups may still be fixed in the graph; then zeros take their place.
 */
export function analyzeDead(flow: ChannelFlow, groups: RemovalGroups, constants: Constants): Removal {
  const going = new Uint8Array(groups.members.length).fill(1);
  const reasons = new Map<number, string>();
  const readers = layerReaders(flow);
  const rows = new Map(
    flow.nodes.flatMap(({ layer }) =>
      !layer || whyBiasIsFixed(flow, layer) ? [] : [[layer, constantRows(flow, layer, constants)] as const],
    ),
  );
  const constantOf = (value: string, channel: number) => constants.get(value)?.[channel] ?? Number.NaN;
  for (let changed = true; changed; ) {
    changed = false;
    const needed = neededChannels(flow, groups, constantOf, rows, going);
    groups.members.forEach((members, group) => {
      if (going[group] === 0) return;
      const hindering = members.filter(({ value, channel }) => needed.get(value)![channel]! > ABSORBED);
      if (hindering.length === 0) return;
      // The channel that varies says more than the constant ones that meet it.
      const { value, channel } =
        hindering.find((member) => Number.isNaN(constantOf(member.value, member.channel))) ?? hindering[0]!;
      const reason =
        needed.get(value)![channel] === SEEN
          ? (groups.fixed[group] ?? `"${value}" is read by an operator that mixes channels`)
          : whyRead(flow, readers.get(value) ?? [], value, constantOf(value, channel));
      going[group] = 0;
      reasons.set(group, reason);
      changed = true;
    });
  }
  return { going, reasons };
}

function whyRead(flow: ChannelFlow, readers: readonly LinearLayer[], value: string, constant: number): string {
  const varies = `"${value}" is coupled with it and varies`;
  if (Number.isNaN(constant)) return varies;
  return readers.map((layer) => whyNotAbsorbed(flow, layer, constant)).find(Boolean) ?? varies;
}

/** Backwards through the graph: a channel is needed when an output, or something that lives and is needed, depends on it. */
function neededChannels(
  flow: ChannelFlow,
  groups: RemovalGroups,
  constantOf: (value: string, channel: number) => number,
  rows: ReadonlyMap<LinearLayer, Float64Array>,
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
  /** What a layer asks of an input channel that it reads. */
  const demand = (layer: LinearLayer, channel: number) => {
    const constant = constantOf(layer.input, channel);
    return Number.isNaN(constant) || whyNotAbsorbed(flow, layer, constant) ? READ : ABSORBED;
  };
  for (const node of [...flow.nodes].reverse()) {
    markInputs(node, needed, node.layer && rows.get(node.layer), alive, demand);
  }
  return needed;
}

function markInputs(
  { node, layer, links, inputs, outputs, reason }: NodeFlow,
  needed: ReadonlyMap<string, Uint8Array>,
  rows: Float64Array | undefined,
  alive: (value: string, channel: number) => boolean,
  demand: (layer: LinearLayer, channel: number) => number,
): void {
  const opaque = reason !== undefined || outputs.length < node.outputs.filter(Boolean).length;
  if (opaque || outputs.some((value) => !needed.has(value))) {
    for (const value of inputs) needed.get(value)?.fill(SEEN);
    return;
  }
  const mark = (own: Uint8Array, channel: number, need: number) => {
    if (own[channel]! < need) own[channel] = need;
  };
  if (layer) {
    const own = needed.get(layer.input)!;
    // A row that becomes a constant reads nothing any more, whoever needs the constant.
    const outs = Uint8Array.from({ length: layer.outChannels }, (_, channel) =>
      alive(layer.output, channel) && Number.isNaN(rows?.[channel] ?? Number.NaN) ? 1 : 0,
    );
    const weights = layer.tensor.array();
    const read = new Uint8Array(layer.inChannels);
    forEachWeight(layer, (flat, out, input) => {
      if (outs[out] === 1 && Number(weights[flat]) !== 0) read[input] = 1;
    });
    read.forEach((yes, channel) => {
      if (yes === 1) mark(own, channel, demand(layer, channel));
    });
    return;
  }
  for (const { input, output, from, to } of links) {
    const own = needed.get(input)!;
    for (let k = 0; k < from.length; k++) if (alive(output, to[k]!)) mark(own, from[k]!, READ);
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
