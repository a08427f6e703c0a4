import type { ChannelFlow } from "../channels/flow.js";
import { factsOf } from "../operators/facts.js";
import { type LayerConstants, whyBiasIsFixed, whyNotAbsorbed } from "./absorb-constants.js";
import { type Constants, constantRows } from "./constant-rows.js";
import { layerReaders } from "./dead-analysis.js";
import type { RemovalGroups } from "./removal-groups.js";

/**
 * What every layer can absorb or turn into a constant: constant inputs move into the bias, output channels that are
 * constant, dead, or silenced by the activation behind them lose their weights. `dead` groups are read by nothing that
 * lives, whether they leave the graph or not.
 */
export function planZeros(
  flow: ChannelFlow,
  groups: RemovalGroups,
  dead: Uint8Array,
  constants: Constants,
): LayerConstants[] {
  const silent = zeroableGroups(flow, groups, dead);
  return flow.nodes.flatMap(({ layer, reason }) => {
    if (!layer || whyBiasIsFixed(flow, layer)) return [];
    // With a reason the input counts its channels along another axis than the layer.
    const none = new Float64Array(layer.inChannels).fill(Number.NaN);
    const inputs = (reason === undefined ? (constants.get(layer.input) ?? none) : none).map((constant) =>
      Number.isNaN(constant) || whyNotAbsorbed(flow, layer, constant) ? Number.NaN : constant,
    );
    const own = groups.ofValue.get(layer.output)!;
    const outputs = constantRows(flow, layer, constants).map((constant, channel) =>
      Number.isNaN(constant) && silent[own[channel]!] === 1 ? 0 : constant,
    );
    return [{ layer, inputs, outputs }];
  });
}

/** Dead groups whose channels may become 0: all layers that read them can be changed, and no operator fears a zero. */
function zeroableGroups(flow: ChannelFlow, groups: RemovalGroups, dead: Uint8Array): Uint8Array {
  const result = dead.slice();
  const readers = layerReaders(flow);
  const feared = new Set(
    flow.nodes.flatMap(({ node, inputs, reason }) => (reason !== undefined || factsOf(node)?.fearsZero ? inputs : [])),
  );
  groups.members.forEach((members, group) => {
    const hindered = ({ value }: { value: string }) =>
      feared.has(value) || readers.get(value)?.some((layer) => whyBiasIsFixed(flow, layer) !== undefined);
    if (result[group] === 1 && members.some(hindered)) result[group] = 0;
  });
  return result;
}
