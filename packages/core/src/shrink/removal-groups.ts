import type { ChannelFlow, NodeFlow, ObservedShapes } from "../channels/flow.js";
import { ChannelUnion } from "../channels/union.js";
import { factsOf } from "../operators/facts.js";
import { whyFixed, whyShapeIsRead } from "./removal-obstacles.js";

/** One channel of one value. */
export interface ChannelRef {
  readonly value: string;
  readonly channel: number;
}

/**
 * Channels that can only go together, because some operator gives or takes them at the same index: both sides of an Add,
 * the input and the output of a depthwise convolution, one channel and its H·W elements behind Flatten.
 */
export interface RemovalGroups {
  /** Group of every channel, by value. */
  readonly ofValue: ReadonlyMap<string, Int32Array>;
  /** Channels of every group, in topological order of their values. */
  readonly members: readonly (readonly ChannelRef[])[];
  /** Why a group must stay. */
  readonly fixed: readonly (string | undefined)[];
}

export function removalGroups(flow: ChannelFlow, shapes: ObservedShapes, opset: number): RemovalGroups {
  const union = new ChannelUnion();
  const { graph, index } = flow;
  const values: string[] = [];
  const add = (value: string) => {
    const space = flow.space(value);
    if (!space) return;
    union.add(value, space.count);
    values.push(value);
  };
  for (const { name } of graph.inputs) add(name);
  for (const node of flow.nodes) node.outputs.forEach(add);
  for (const { name } of graph.inputs) union.pin(name, `"${name}" is an input of the model`);
  for (const { name } of graph.outputs) union.pin(name, `"${name}" is an output of the model`);
  for (const value of values) {
    if (flow.space(value)!.axes.length !== 1) union.pin(value, `"${value}" has its channels on several axes`);
    if (index.uses(value).some(({ input }) => input < 0)) union.pin(value, `a subgraph reads "${value}"`);
    const reason = whyShapeIsRead(flow, value);
    if (reason) union.pin(value, reason);
  }
  for (const node of flow.nodes) bind(union, node, whyFixed(flow, node, shapes, opset));
  return collect(union, values);
}

function bind(union: ChannelUnion, node: NodeFlow, reason: string | undefined): void {
  const { layer } = node;
  if (reason !== undefined) {
    // A layer that counts the channels of its input along another axis still makes channels of its own.
    const fixed =
      layer && node.inputs.length === 1 && node.reason !== undefined ? node.inputs : [...node.inputs, ...node.outputs];
    for (const value of fixed) union.pin(value, reason);
    return;
  }
  if (layer) {
    if (layer.depthwise) {
      const multiplier = layer.outChannels / layer.inChannels;
      const outputs = Int32Array.from({ length: layer.outChannels }, (_, channel) => channel);
      const inputs = outputs.map((channel) => Math.floor(channel / multiplier));
      union.unite(layer.input, inputs, layer.output, outputs);
    }
    return;
  }
  const made = new Map(node.outputs.map((value) => [value, new Uint8Array(union.count(value))]));
  const broadcasts = factsOf(node.node)?.broadcasts !== undefined;
  for (const { input, output, from, to } of node.links) {
    // An input of one channel that is repeated over all of another is not bound to any of them.
    if (broadcasts && union.count(input) === 1 && union.count(output) > 1) continue;
    union.unite(input, from, output, to);
    for (const channel of to) made.get(output)![channel] = 1;
  }
  for (const value of node.inputs) {
    if (!node.links.some(({ input }) => input === value))
      union.pin(value, `${node.node.opType} reads all channels at once`);
  }
  for (const [value, reached] of made) {
    reached.forEach((yes, channel) => {
      if (yes === 0) union.pinChannel(value, channel, `${node.node.opType} makes it from no channel of its input`);
    });
  }
}

function collect(union: ChannelUnion, values: readonly string[]): RemovalGroups {
  const ofValue = new Map<string, Int32Array>();
  const fixed: (string | undefined)[] = [];
  for (const group of union.groups()) {
    const first = fixed.length;
    fixed.push(...group.pinned);
    for (const [value, variables] of group.variables) {
      ofValue.set(
        value,
        variables.map((variable) => first + variable),
      );
    }
  }
  const members: ChannelRef[][] = fixed.map(() => []);
  for (const value of values) {
    ofValue.get(value)!.forEach((group, channel) => {
      members[group]!.push({ value, channel });
    });
  }
  return { ofValue, members, fixed };
}
