import type { ChannelFlow } from "../equalize/channel-flow.js";
import { attributeOf, type LinearLayer, type Node } from "../graph/index.js";
import { type LayerConstants, whyBiasIsFixed, whyNotAbsorbed } from "./absorb-constants.js";
import { type Constants, layerReaders } from "./dead-analysis.js";
import { floatsOf } from "./operands.js";
import type { RemovalGroups } from "./removal-groups.js";

/** Operators that make Inf or NaN of a zero: 0 · NaN is NaN even behind a zero weight. */
const FEARS_ZERO: ReadonlySet<string> = new Set(["Div", "Log", "Reciprocal", "Pow"]);

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
    if (!layer || reason !== undefined || whyBiasIsFixed(flow, layer)) return [];
    const none = (count: number) => new Float64Array(count).fill(Number.NaN);
    const inputs = (constants.get(layer.input) ?? none(layer.inChannels)).map((constant) =>
      Number.isNaN(constant) || whyNotAbsorbed(flow, layer, constant) ? Number.NaN : constant,
    );
    const silenced = silencedOutputs(flow, layer, constants);
    const own = groups.ofValue.get(layer.output);
    const outputs = (constants.get(layer.output) ?? none(layer.outChannels)).map((constant, channel) => {
      if (!Number.isNaN(constant)) return constant;
      return silenced[channel] === 1 || (own && silent[own[channel]!] === 1) ? 0 : Number.NaN;
    });
    return [{ layer, inputs, outputs }];
  });
}

/** Dead groups whose channels may become 0: all layers that read them can be changed, and no operator fears a zero. */
function zeroableGroups(flow: ChannelFlow, groups: RemovalGroups, dead: Uint8Array): Uint8Array {
  const result = dead.slice();
  const readers = layerReaders(flow);
  const feared = new Set(
    flow.nodes.flatMap(({ node, inputs, reason }) =>
      reason !== undefined || FEARS_ZERO.has(node.opType) ? inputs : [],
    ),
  );
  groups.members.forEach((members, group) => {
    const hindered = ({ value }: { value: string }) =>
      feared.has(value) || readers.get(value)?.some((layer) => whyBiasIsFixed(flow, layer) !== undefined);
    if (result[group] === 1 && members.some(hindered)) result[group] = 0;
  });
  return result;
}

/** Output channels that a Relu or Clip behind the layer turns into 0 for every input, as it would a 0. */
function silencedOutputs(flow: ChannelFlow, layer: LinearLayer, constants: Constants): Uint8Array {
  const silenced = new Uint8Array(layer.outChannels);
  const uses = flow.index.uses(layer.output);
  const readers = uses.map(({ node, input }) => (input === 0 && keepsZero(flow, node) ? node.outputs[0]! : undefined));
  if (readers.length === 0 || readers.includes(undefined) || flow.index.isOutput(layer.output)) return silenced;
  return silenced.map((_, channel) => (readers.every((value) => constants.get(value!)?.[channel] === 0) ? 1 : 0));
}

/** Whether the node makes 0 of 0, element by element. */
function keepsZero(flow: ChannelFlow, node: Node): boolean {
  if (node.domain !== "") return false;
  if (node.opType === "Relu") return true;
  if (node.opType !== "Clip") return false;
  const bound = (position: number, name: string, absent: number) => {
    const value = node.inputs[position] ?? "";
    if (value === "") return attributeOf(node, name, "float", absent);
    const tensor = flow.constant(value);
    return (tensor && floatsOf(tensor)?.[0]) ?? Number.NaN;
  };
  return bound(1, "min", Number.NEGATIVE_INFINITY) <= 0 && bound(2, "max", Number.POSITIVE_INFINITY) >= 0;
}
