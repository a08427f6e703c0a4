import type { ChannelFlow } from "../channels/flow.js";
import type { Node } from "../graph/index.js";
import { saturationBounds } from "../operators/attributes.js";
import { isSaturation } from "../operators/facts.js";
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
  if (!isSaturation(node)) return false;
  const { low = Number.NaN, high = Number.NaN } = saturationBounds(node, flow.constant);
  return low <= 0 && high >= 0;
}
