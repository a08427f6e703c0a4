import type { ChannelFlow, NodeFlow } from "../channels/flow.js";
import type { Gate } from "../channels/gates.js";
import { identityPairs } from "../channels/space.js";
import { ChannelUnion } from "../channels/union.js";
import { isOp, labelOf, type Node } from "../graph/index.js";
import type { LinearLayer } from "../operators/index.js";
import { type ClipBounds, finiteBounds, refusalOf, ruleOf } from "./scaling-rules.js";

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
 * A node that multiplies by a constant of one value a channel, and so begins a class as a layer does: the γ (and β) of a normalisation,
 * or a Mul. Its constants take the factors of the output; those of the input, which only a Mul passes on, divide the first of them.
 */
export interface ClassScaling {
  readonly node: Node;
  /** The value whose factors divide; undefined where they are 1. */
  readonly input: string | undefined;
  readonly output: string;
  readonly constants: readonly number[];
  readonly layout: ClassConstant["layout"];
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
  /** Normalisations and Muls that begin the class. */
  readonly scalings: readonly ClassScaling[];
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
  /** Normalisations and Muls at which factors change. */
  readonly scalings: readonly ClassScaling[];
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
  const scalings: ClassScaling[] = [];
  for (const nodeFlow of outside) {
    const scaling = scalingOf(flow, union, nodeFlow);
    if (!scaling) {
      visit(flow, union, nodeFlow);
      continue;
    }
    scalings.push(scaling);
    const label = labelOf(nodeFlow.node);
    for (const value of nodeFlow.outputs)
      if (value !== scaling.output) union.pin(value, `${label}: not its first output`);
    for (const value of nodeFlow.inputs) if (value !== scaling.input) union.pin(value, `${label}: normalised`);
  }
  pinEnds(flow, union);
  for (const nodeFlow of outside) if (isProduct(nodeFlow)) visitProduct(flow, union, nodeFlow);
  return collect(flow, outside, gates, scalings, union);
}

/** A node at which factors change, if it is one: a normalisation with a scale by channel, or a Mul by a vector. */
function scalingOf(flow: ChannelFlow, union: ChannelUnion, nodeFlow: NodeFlow): ClassScaling | undefined {
  const { node, inputs, outputs, links, layer } = nodeFlow;
  const [output] = outputs;
  const rule = ruleOf(node);
  if (layer || output === undefined || output !== node.outputs[0] || !rule) return undefined;
  if (refusalFor(flow, union, nodeFlow) !== undefined) return undefined;
  if (rule.kind === "origin") {
    const constants = (rule.constants as readonly number[]).filter((at) => (node.inputs[at] ?? "") !== "");
    const fits = constants.every((at) => flow.constant(node.inputs[at]!)!.size === union.count(output));
    return fits ? { node, input: undefined, output, constants, layout: "channel" } : undefined;
  }
  if (!isOp(node, "Mul") || inputs.length !== 1) return undefined;
  const at = node.inputs.findIndex((value) => flow.constant(value));
  const vector = flow.constant(node.inputs[at] ?? "");
  if (vector?.dtype !== "float32" || vector.size < 2) return undefined;
  const input = links.length > 0 ? inputs[0] : undefined;
  if (input !== undefined && union.count(input) !== union.count(output)) return undefined;
  return { node, input, output, constants: [at], layout: "broadcast" };
}

function addValue(flow: ChannelFlow, union: ChannelUnion, value: string): void {
  const space = flow.space(value);
  if (space) union.add(value, space.count);
}

function isProduct({ node, inputs, reason }: NodeFlow): boolean {
  const kind = ruleOf(node)?.kind;
  return reason === undefined && inputs.length > 1 && (kind === "product" || kind === "quotient");
}

function visit(flow: ChannelFlow, union: ChannelUnion, nodeFlow: NodeFlow): void {
  const { node, inputs, outputs, layer } = nodeFlow;
  const origin = ruleOf(node)?.kind === "origin" ? "it has no scale by channel" : undefined;
  const refusal = refusalFor(flow, union, nodeFlow) ?? origin;
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
  const quotient = ruleOf(node)!.kind === "quotient";
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
  scalings: readonly ClassScaling[],
  union: ChannelUnion,
): ScaleClasses {
  const ends = new Set(nodes.flatMap(({ layer }) => (layer ? [layer.input, layer.output] : [])));
  const changing = new Set(scalings.map(({ node }) => node));
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
    scalings: [] as ClassScaling[],
    /** Variables that no layer, but a node between two classes makes or reads. */
    made: [] as Int32Array[],
    read: [] as Int32Array[],
  }));
  for (const scaling of scalings) {
    const [output, input] = [values.get(scaling.output), values.get(scaling.input ?? "")];
    if (output) {
      parts[output.class]!.scalings.push(scaling);
      parts[output.class]!.made.push(output.variables);
    }
    if (input) parts[input.class]!.read.push(input.variables);
  }
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
    if (changing.has(node)) continue;
    const rule = ruleOf(node)!;
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
  return { flow, values, gates, scalings, classes: drafts.map((draft, id) => finish(draft, parts[id]!)) };
}

type Draft = Pick<ScaleClass, "id" | "size" | "values"> & { pinned: (string | undefined)[] };
type Parts = Pick<ScaleClass, "producers" | "consumers" | "clips" | "constants" | "gates" | "scalings"> & {
  readonly made: readonly Int32Array[];
  readonly read: readonly Int32Array[];
};

function finish(draft: Draft, { made: madeBetween, read: readBetween, ...parts }: Parts): ScaleClass {
  const touched = (layers: readonly ClassLayer[], others: readonly Int32Array[]) => {
    const marks = new Uint8Array(draft.size);
    for (const variables of [...layers.map((own) => own.variables), ...others]) {
      for (const variable of variables) marks[variable] = 1;
    }
    return marks;
  };
  const made = touched(parts.producers, madeBetween);
  const read = touched(parts.consumers, readBetween);
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
