import { type ChannelFlow, channelFlow, type ObservedShapes } from "../channels/flow.js";
import { labelOf, type Model } from "../graph/index.js";
import type { LinearLayer } from "../operators/index.js";
import type { Skip } from "../runtime/index.js";
import { type RemovalGroups, removalGroups } from "./removal-groups.js";

/** Channels of one set of coupled values, for instance of a residual stage: any of them may go without the others. */
export interface ChannelUnit {
  /** Layers that make the channels. */
  readonly producers: readonly LinearLayer[];
  /** Removal groups, one a channel. */
  readonly groups: readonly number[];
}

/** Everything that pruning by channels asks about a graph. */
export interface ChannelUnits {
  readonly flow: ChannelFlow;
  readonly groups: RemovalGroups;
  readonly units: readonly ChannelUnit[];
  readonly skipped: readonly Skip[];
}

/** Units in topological order of their first layer; channels that the graph cannot lose are in none. */
export function channelUnits(model: Model, shapes: ObservedShapes): ChannelUnits {
  const flow = channelFlow(model.graph, shapes);
  const groups = removalGroups(flow, shapes, model.opsets.get("") ?? 0);
  const layers = new Map(flow.nodes.flatMap(({ layer }) => (layer ? [[layer.output, layer] as const] : [])));
  const found = new Map<string, { producers: LinearLayer[]; groups: number[] }>();
  const skipped = new Map<string, Skip>();
  groups.members.forEach((members, group) => {
    const producers = [...new Set(members.map(({ value }) => value))].flatMap((value) => layers.get(value) ?? []);
    if (producers.length === 0) return;
    const reason = groups.fixed[group];
    if (reason !== undefined) {
      for (const { node, opType } of producers) skipped.set(labelOf(node), { node: labelOf(node), opType, reason });
      return;
    }
    const key = JSON.stringify(producers.map(({ output }) => output));
    const unit = found.get(key);
    if (unit) unit.groups.push(group);
    else found.set(key, { producers, groups: [group] });
  });
  return { flow, groups, units: [...found.values()], skipped: [...skipped.values()] };
}

/** Counts multiply–accumulate operations while channels leave. */
export class MacCounter {
  readonly #layers: readonly { readonly layer: LinearLayer; readonly macs: number }[];
  /** Channels that are left, by value. */
  readonly #left = new Map<string, number>();

  constructor(
    readonly units: ChannelUnits,
    macsOf: (layer: LinearLayer) => number,
  ) {
    this.#layers = units.flow.nodes.flatMap(({ layer }) => (layer ? [{ layer, macs: macsOf(layer) }] : []));
    for (const [value, own] of units.groups.ofValue) this.#left.set(value, own.length);
  }

  /** A layer's share is that of its outputs times that of its inputs; depthwise layers lose both at once. */
  total(): number {
    const share = (value: string) => this.#left.get(value)! / this.units.groups.ofValue.get(value)!.length;
    return this.#layers.reduce((sum, { layer, macs }) => {
      const inputs = layer.depthwise || !this.#left.has(layer.input) ? 1 : share(layer.input);
      return sum + macs * inputs * (this.#left.has(layer.output) ? share(layer.output) : 1);
    }, 0);
  }

  /** Takes channels of groups away (`by` −1) or puts them back (1). */
  move(groups: readonly number[], by: -1 | 1): void {
    for (const group of groups) {
      for (const { value } of this.units.groups.members[group]!) this.#left.set(value, this.#left.get(value)! + by);
    }
  }
}
