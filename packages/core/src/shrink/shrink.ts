import { type ChannelFlow, channelFlow, type NodeFlow, type ObservedShapes } from "../channels/flow.js";
import { OptionsError, rejectUnknownOptions } from "../errors.js";
import { labelOf, type Model, removeDead } from "../graph/index.js";
import type { Skip, Transform, TransformReport } from "../runtime/index.js";
import { type CutShapes, GraphCutter } from "./cut-graph.js";
import { type RemovalGroups, removalGroups } from "./removal-groups.js";
import { type Removal, requireChannelMultiple, takeBack } from "./removal-limits.js";

/** Options for {@link shrink}. */
export interface ShrinkOptions {
  /** Channels to remove, by layer name or by value name. */
  remove: ReadonlyMap<string, readonly number[]> | Readonly<Record<string, readonly number[]>>;
  /** Sizes of all values, as `observeShapes` returns them. */
  shapes: ObservedShapes;
  /** Numbers of channels of convolutions that are a multiple of this stay one: see {@link removeDeadChannels}. Default: 1. */
  channelMultiple?: number | undefined;
}

const SHRINK_DEFAULTS = { channelMultiple: 1 } as const;

/** Channels that left a layer's output. */
export interface RemovedChannels {
  readonly layer: string;
  readonly opType: string;
  /** Output channels before. */
  readonly channels: number;
  readonly removed: readonly number[];
}

/** What {@link shrink} did. */
export interface ShrinkReport extends TransformReport {
  readonly transform: "shrink";
  readonly layers: readonly RemovedChannels[];
  /** Sizes of all values afterwards. */
  readonly shapes: ObservedShapes;
}

/**
 * Removes channels from the graph for real: weights, biases, parameters by channel and sizes lose them, through every
 * operator that couples them. A channel goes only when all that it is coupled with goes too: it is asked for, or made of
 * nothing but removed channels, or read by nothing but removed channels.
 *
 * A removed channel counts as 0 wherever a layer reads it: the function is preserved when it was 0 there
 * ({@link removeDeadChannels} folds other constants first). Skips, with the reason: graph inputs and outputs, the last
 * channel of a value, unequal groups, operators that mix channels.
 * @throws {OptionsError} E2103 when a name is neither layer nor value, E2002 for a channel that does not exist.
 */
export function shrink(options: ShrinkOptions): Transform<ShrinkReport> {
  rejectUnknownOptions("shrink", options, ["remove", "shapes", "channelMultiple"]);
  const multiple = requireChannelMultiple("shrink", options.channelMultiple ?? SHRINK_DEFAULTS.channelMultiple);
  const requested = options.remove instanceof Map ? options.remove : new Map(Object.entries(options.remove));
  return (model) => {
    const flow = channelFlow(model.graph, options.shapes);
    const groups = removalGroups(flow, options.shapes, model.opsets.get("") ?? 0);
    const marks = marksOf(flow, requested);
    const removal = agree(flow, groups, marks, multiple);
    const skipped = refusals(flow, groups, marks, removal);
    const layers = removedLayers(flow, groups, removal.going);
    const modified = removal.going.includes(1);
    const shapes = modified ? cutGroups(model, flow, options.shapes, groups, removal.going) : options.shapes;
    return { transform: "shrink", modified, skipped, layers, shapes };
  };
}

type Marks = ReadonlyMap<string, Uint8Array>;

function marksOf(flow: ChannelFlow, requested: ReadonlyMap<string, readonly number[]>): Marks {
  const marks = new Map<string, Uint8Array>();
  for (const [name, channels] of requested) {
    const layer = flow.nodes.find(({ node }) => labelOf(node) === name);
    const value = layer?.outputs[0] ?? name;
    const space = flow.space(value);
    if (!space) {
      throw new OptionsError("E2103", `shrink: "${name}" is neither a layer nor a value with channels`, {
        actual: name,
        hint: "name a layer, or a float value of the graph whose shape is known",
      });
    }
    const own = marks.get(value) ?? new Uint8Array(space.count);
    for (const channel of channels) {
      if (!Number.isInteger(channel) || channel < 0 || channel >= space.count) {
        throw new OptionsError("E2002", `shrink: "${name}" has no channel ${channel}, expected 0–${space.count - 1}`, {
          actual: channel,
        });
      }
      own[channel] = 1;
    }
    marks.set(value, own);
  }
  return marks;
}

/** Groups of which every channel is asked for, directly or through its only sources or its only readers. */
function agree(flow: ChannelFlow, groups: RemovalGroups, marks: Marks, multiple: number): Removal {
  const agreed = new Map<string, Uint8Array>();
  for (const [value, own] of groups.ofValue)
    agreed.set(value, (marks.get(value) ?? new Uint8Array(own.length)).slice());
  for (const { links, outputs } of flow.nodes) spreadAll(agreed, links, outputs, "output");
  const readers = new Map<string, NodeFlow[]>();
  for (const node of flow.nodes)
    for (const value of new Set(node.inputs)) readers.set(value, [...(readers.get(value) ?? []), node]);
  for (const { outputs } of [...flow.nodes].reverse()) {
    for (const value of outputs) {
      const own = readers.get(value) ?? [];
      // What anything but the operators below reads is wanted, whatever they give away.
      const others =
        own.some(({ links }) => links.length === 0) ||
        new Set(flow.index.uses(value).map(({ node }) => node)).size > own.length;
      if (others || flow.index.isOutput(value)) continue;
      spreadAll(
        agreed,
        own.flatMap(({ links }) => links),
        [value],
        "input",
      );
    }
  }
  const removal: Removal = { going: new Uint8Array(groups.members.length), reasons: new Map() };
  groups.members.forEach((members, group) => {
    const other = members.find(({ value, channel }) => agreed.get(value)![channel] === 0);
    if (!other) removal.going[group] = 1;
    else removal.reasons.set(group, `channel ${other.channel} of "${other.value}" is coupled with it and stays`);
  });
  takeBack(flow, groups, removal, multiple);
  return removal;
}

/** Marks channels of the given values whose links, on the given side, all lead to marked channels (and at least one does). */
function spreadAll(
  agreed: ReadonlyMap<string, Uint8Array>,
  links: ChannelFlow["nodes"][number]["links"],
  values: readonly string[],
  side: "input" | "output",
): void {
  for (const value of values) {
    const own = agreed.get(value);
    if (!own) continue;
    const seen = new Uint8Array(own.length);
    const open = new Uint8Array(own.length);
    for (const link of links) {
      if (link[side] !== value) continue;
      const other = agreed.get(side === "output" ? link.input : link.output)!;
      const [mine, theirs] = side === "output" ? [link.to, link.from] : [link.from, link.to];
      for (let k = 0; k < mine.length; k++) {
        seen[mine[k]!] = 1;
        if (other[theirs[k]!] === 0) open[mine[k]!] = 1;
      }
    }
    own.forEach((_, channel) => {
      if (seen[channel] === 1 && open[channel] === 0) own[channel] = 1;
    });
  }
}

function refusals(flow: ChannelFlow, groups: RemovalGroups, marks: Marks, removal: Removal): Skip[] {
  const skipped: Skip[] = [];
  for (const [value, own] of marks) {
    const reasons = new Map<string, number[]>();
    own.forEach((mark, channel) => {
      const group = groups.ofValue.get(value)![channel]!;
      if (mark === 0 || removal.going[group] === 1) return;
      const reason = groups.fixed[group] ?? removal.reasons.get(group)!;
      reasons.set(reason, [...(reasons.get(reason) ?? []), channel]);
    });
    const producer = flow.index.producer(value);
    for (const [reason, channels] of reasons) {
      skipped.push({
        node: producer ? labelOf(producer) : value,
        opType: producer?.opType ?? "Input",
        reason: `channels ${channels.join(", ")}: ${reason}`,
      });
    }
  }
  return skipped;
}

/** Output channels that leave each layer. */
function removedLayers(flow: ChannelFlow, groups: RemovalGroups, going: Uint8Array): RemovedChannels[] {
  return flow.nodes.flatMap(({ layer }) => {
    const own = layer && groups.ofValue.get(layer.output);
    if (!layer || !own) return [];
    const removed = Array.from(own.keys()).filter((channel) => going[own[channel]!] === 1);
    if (removed.length === 0) return [];
    return [{ layer: labelOf(layer.node), opType: layer.opType, channels: layer.outChannels, removed }];
  });
}

/** Cuts the groups out of the graph. In place. */
export function cutGroups(
  model: Model,
  flow: ChannelFlow,
  shapes: ObservedShapes,
  groups: RemovalGroups,
  going: Uint8Array,
  aliases: ReadonlyMap<string, string> = new Map(),
): CutShapes {
  const kept = new Map<string, Int32Array>();
  for (const [value, own] of groups.ofValue) {
    const staying = Int32Array.from(own.keys()).filter((channel) => going[own[channel]!] === 0);
    if (staying.length < own.length) kept.set(value, staying);
  }
  for (const [inner, outer] of aliases) if (kept.has(outer)) kept.set(inner, kept.get(outer)!);
  const result = new GraphCutter(model, flow, shapes, kept).run();
  removeDead(model.graph);
  return result;
}
