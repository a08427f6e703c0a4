import type { ChannelFlow, NodeFlow } from "../channels/flow.js";
import type { Gate } from "../channels/gates.js";
import { identityPairs } from "../channels/space.js";
import { ChannelUnion } from "../channels/union.js";
import { labelOf, type Node } from "../graph/index.js";
import type { LinearLayer } from "../operators/index.js";
import { type ClipBounds, finiteBounds, refusalOf, SCALING_RULES } from "./scaling-rules.js";

/** A layer at the end or beginning of a class, with the class's variable of each of its channels. */
export interface ClassLayer {
  readonly layer: LinearLayer;
  /** Variable of every output channel (producer) or input channel (consumer). */
  readonly variables: Int32Array;
}

/** A Clip inside a class: conditionally homogeneous, its bounds take the factor of each channel. */
export interface ClassClip {
  readonly node: Node;
  readonly bounds: ClipBounds;
  readonly variables: Int32Array;
}

/** A constant operand inside a class that takes the factor. */
export interface ClassConstant {
  readonly node: Node;
  readonly input: number;
  /** `broadcast`: aligned with the output as ONNX does; `channel`: one value a channel. */
  readonly layout: "broadcast" | "channel";
}

/**
 * Values whose channels are scaled together: multiply variable v of every producer by a factor, divide every consumer by
 * it, and the function of the network stays the same.
 */
export interface ScaleClass {
  readonly id: number;
  /** Number of variables: factors that can be chosen one by one. */
  readonly size: number;
  readonly values: readonly string[];
  readonly producers: readonly ClassLayer[];
  readonly consumers: readonly ClassLayer[];
  readonly clips: readonly ClassClip[];
  readonly constants: readonly ClassConstant[];
  /** Gates inside the class. */
  readonly gates: readonly Gate[];
  /** Per variable, why its factor must stay 1; undefined where it is free. */
  readonly pinned: readonly (string | undefined)[];
  /** Set when no variable is free: the reason of most of them. */
  readonly reason: string | undefined;
}

/** Variables of the channels of one value. */
export interface ValueVariables {
  readonly class: number;
  readonly variables: Int32Array;
}

/** All classes of a graph. */
export interface ScaleClasses {
  readonly flow: ChannelFlow;
  readonly classes: readonly ScaleClass[];
  readonly values: ReadonlyMap<string, ValueVariables>;
  /** Gates that factors pass. */
  readonly gates: readonly Gate[];
}

/** One factor a variable, one array a class, in class order. */
export type ScaleFactors = readonly Float64Array[];

/** Options for {@link scaleClasses}. */
export interface ScaleClassOptions {
  /**
   * What happens at a {@link Gate} y = x·g(x): `scale` lets factors pass, for x'·g(x'/s) = s·y; `pin` keeps them at 1.
   * Default: `'scale'`.
   */
  gates?: "scale" | "pin";
}

/** Finds all scale classes by union–find over the channels of every value. */
export function scaleClasses(flow: ChannelFlow, { gates: mode = "scale" }: ScaleClassOptions = {}): ScaleClasses {
  const union = new ChannelUnion();
  const gates = mode === "scale" ? flow.gates : [];
  const inGates = new Set(gates.flatMap(({ nodes }) => nodes));
  for (const { name } of flow.graph.inputs) addValue(flow, union, name);
  for (const { outputs } of flow.nodes) for (const value of outputs) addValue(flow, union, value);
  for (const { nodes, input, output } of gates) {
    for (const { outputs } of nodes)
      for (const value of outputs) if (value !== output) union.pin(value, "inside a gate");
    const channels = identityPairs(union.count(input));
    union.unite(input, channels.from, output, channels.to);
  }
  const outside = flow.nodes.filter(({ node }) => !inGates.has(node));
  for (const nodeFlow of outside) visit(flow, union, nodeFlow);
  pinEnds(flow, union);
  for (const nodeFlow of outside) if (isProduct(nodeFlow)) visitProduct(flow, union, nodeFlow);
  return collect(flow, outside, gates, union);
}

function addValue(flow: ChannelFlow, union: ChannelUnion, value: string): void {
  const space = flow.space(value);
  if (space) union.add(value, space.count);
}

function isProduct({ node, inputs, reason }: NodeFlow): boolean {
  const kind = SCALING_RULES.get(node.opType)?.kind;
  return reason === undefined && inputs.length > 1 && (kind === "product" || kind === "quotient");
}

function visit(flow: ChannelFlow, union: ChannelUnion, nodeFlow: NodeFlow): void {
  const { node, inputs, outputs, layer } = nodeFlow;
  const refusal = refusalFor(flow, union, nodeFlow);
  if (refusal !== undefined) {
    for (const value of [...inputs, ...outputs]) union.pin(value, `${labelOf(node)}: ${refusal}`);
    return;
  }
  if (layer || isProduct(nodeFlow)) return;
  for (const { input, output, from, to } of nodeFlow.links) union.unite(input, from, output, to);
  pinUnlinked(union, nodeFlow);
}

function refusalFor(flow: ChannelFlow, union: ChannelUnion, nodeFlow: NodeFlow): string | undefined {
  const { node, inputs, layer } = nodeFlow;
  if (nodeFlow.reason !== undefined) return nodeFlow.reason;
  if (layer) {
    return layer.tensor.dtype === "float32" ? undefined : `its weight is ${layer.tensor.dtype}, not float32`;
  }
  const refusal = refusalOf(node, inputs, flow.constant);
  if (refusal !== undefined || node.opType !== "Concat") return refusal;
  const joinsConstant = node.inputs.some((value) => flow.constant(value)) && coversEveryChannel(union, nodeFlow);
  return joinsConstant ? "it joins a value with a constant" : undefined;
}

/** A Concat along another axis than the channels': its constant part would have to take every factor. */
function coversEveryChannel(union: ChannelUnion, { outputs, links }: NodeFlow): boolean {
  return new Set(links.flatMap(({ to }) => [...to])).size === union.count(outputs[0]!);
}

/** Channels of a result that come from nowhere hold a constant; padding's zeros alone may take any factor. */
function pinUnlinked(union: ChannelUnion, { node, inputs, outputs, links }: NodeFlow): void {
  const linked = new Set(links.map(({ input }) => input));
  for (const value of inputs) if (!linked.has(value)) union.pin(value, `${labelOf(node)}: it reads the value itself`);
  if (node.opType === "Pad") return;
  for (const value of outputs) {
    const made = new Uint8Array(union.count(value));
    for (const { output, to } of links) if (output === value) for (const channel of to) made[channel] = 1;
    made.forEach((isMade, channel) => {
      if (!isMade) union.pinChannel(value, channel, `${labelOf(node)}: a constant channel`);
    });
  }
}

/** The factor of a product is the product of the factors: one operand is pinned to 1, the other's passes. */
function visitProduct(flow: ChannelFlow, union: ChannelUnion, nodeFlow: NodeFlow): void {
  const { node, links } = nodeFlow;
  const [first, second] = links;
  const label = labelOf(node);
  if (!first || !second || links.length > 2 || refusalOf(node, nodeFlow.inputs, flow.constant)) {
    for (const value of [...nodeFlow.inputs, ...nodeFlow.outputs]) union.pin(value, `${label}: product of values`);
    return;
  }
  const quotient = SCALING_RULES.get(node.opType)!.kind === "quotient";
  // The smaller operand is the gate (squeeze-and-excite); of two alike, one that is pinned already, else the second.
  const smaller = flow.size(first.input) < flow.size(second.input);
  const firstIsGate = !quotient && (union.isPinned(first.input) || (!union.isPinned(second.input) && smaller));
  const [gate, carried] = firstIsGate ? [first, second] : [second, first];
  union.pin(gate.input, `${label}: ${quotient ? "divisor" : "gate"} of another value`);
  if (gate.input === carried.input) union.pin(gate.output, `${label}: square of a value`);
  union.unite(carried.input, carried.from, carried.output, carried.to);
}

function pinEnds(flow: ChannelFlow, union: ChannelUnion): void {
  for (const { name } of flow.graph.inputs) union.pin(name, "input of the network");
  for (const { name } of flow.graph.outputs) union.pin(name, "output of the network");
  for (const { outputs } of flow.nodes) {
    for (const value of outputs) {
      const inner = flow.index.uses(value).find(({ input }) => input < 0);
      if (inner) union.pin(value, `${labelOf(inner.node)}: read inside a subgraph`);
    }
  }
}

/** Groups united values into classes and numbers the variables of each by first appearance. */
function collect(
  flow: ChannelFlow,
  nodes: readonly NodeFlow[],
  gates: readonly Gate[],
  union: ChannelUnion,
): ScaleClasses {
  const ends = new Set(nodes.flatMap(({ layer }) => (layer ? [layer.input, layer.output] : [])));
  const values = new Map<string, ValueVariables>();
  const drafts: Draft[] = [];
  for (const group of union.groups()) {
    if (!group.values.some((value) => ends.has(value))) continue;
    const id = drafts.length;
    for (const [value, variables] of group.variables) values.set(value, { class: id, variables });
    drafts.push({ id, size: group.size, values: group.values, pinned: [...group.pinned] });
  }
  const parts = drafts.map(() => ({
    producers: [] as ClassLayer[],
    consumers: [] as ClassLayer[],
    clips: [] as ClassClip[],
    constants: [] as ClassConstant[],
    gates: [] as Gate[],
  }));
  for (const gate of gates) {
    const own = values.get(gate.input);
    if (own) parts[own.class]!.gates.push(gate);
  }
  for (const { node, inputs, outputs, layer, reason } of nodes) {
    const input = values.get(layer ? layer.input : (inputs[0] ?? ""));
    const output = values.get(outputs[0] ?? "");
    if (layer) {
      if (output) parts[output.class]!.producers.push({ layer, variables: output.variables });
      if (input && reason === undefined) parts[input.class]!.consumers.push({ layer, variables: input.variables });
      continue;
    }
    if (reason !== undefined || !output || refusalOf(node, inputs, flow.constant) !== undefined) continue;
    const rule = SCALING_RULES.get(node.opType)!;
    const part = parts[output.class]!;
    if (rule.kind === "clip") {
      const bounds = finiteBounds(node, flow.constant)!;
      const plain = (bounds.low === undefined || bounds.low === 0) && bounds.high === undefined;
      if (!plain) part.clips.push({ node, bounds, variables: output.variables });
    }
    node.inputs.forEach((value, position) => {
      if (value === "" || !flow.constant(value)) return;
      if (rule.constants === "all") part.constants.push({ node, input: position, layout: "broadcast" });
      else if (rule.constants?.includes(position)) part.constants.push({ node, input: position, layout: "channel" });
    });
  }
  return { flow, values, gates, classes: drafts.map((draft, id) => finish(draft, parts[id]!)) };
}

type Draft = Pick<ScaleClass, "id" | "size" | "values"> & { pinned: (string | undefined)[] };
type Parts = Pick<ScaleClass, "producers" | "consumers" | "clips" | "constants" | "gates">;

function finish(draft: Draft, parts: Parts): ScaleClass {
  const touched = (layers: readonly ClassLayer[]) => {
    const marks = new Uint8Array(draft.size);
    for (const { variables } of layers) for (const variable of variables) marks[variable] = 1;
    return marks;
  };
  const made = touched(parts.producers);
  const read = touched(parts.consumers);
  const pinned = draft.pinned.map(
    (reason, variable) =>
      reason ?? (made[variable] ? (read[variable] ? undefined : "no layer reads it") : "no layer makes it"),
  );
  return { ...draft, ...parts, pinned, reason: pinned.includes(undefined) ? undefined : mostCommon(pinned) };
}

function mostCommon(reasons: readonly (string | undefined)[]): string {
  const counts = new Map<string, number>();
  for (const reason of reasons) if (reason !== undefined) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best), ["no layer reads it", 0] as const)[0];
}
