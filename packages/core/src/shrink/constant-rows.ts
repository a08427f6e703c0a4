import { floatsOf } from "../bounds/operands.js";
import type { ChannelFlow } from "../channels/flow.js";
import { attributeOf, type Node } from "../graph/index.js";
import type { LinearLayer } from "../operators/index.js";

/** Constant of every channel by value, NaN where it is none. */
export type Constants = ReadonlyMap<string, Float64Array>;

/**
 * What the output channels of a layer can be without any weights: the constant they are, or 0 where the activation
 * behind makes 0 of them anyway. NaN for all others.
 */
export function constantRows(flow: ChannelFlow, layer: LinearLayer, constants: Constants): Float64Array {
  const rows = constants.get(layer.output)?.slice() ?? new Float64Array(layer.outChannels).fill(Number.NaN);
  const silenced = silencedOutputs(flow, layer, constants);
  return rows.map((constant, channel) => (Number.isNaN(constant) && silenced[channel] === 1 ? 0 : constant));
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
