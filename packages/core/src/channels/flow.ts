import {
  type DType,
  type Graph,
  type GraphIndex,
  indexGraph,
  isOp,
  type Node,
  sizeOf,
  type Tensor,
  topologicalOrder,
} from "../graph/index.js";
import { factsOf, operatorKey } from "../operators/facts.js";
import { type LinearLayer, linearLayerOf } from "../operators/index.js";
import { isLayer } from "../operators/linear-layer.js";
import { findGates, type Gate } from "./gates.js";
import { beginsChannels } from "./norm-rules.js";
import type { ChannelLink, RuleView } from "./rule.js";
import { CHANNEL_RULES } from "./rules.js";
import { type ChannelSpace, defaultSpace, sameAxes, spaceOf } from "./space.js";

/** Sizes (and element types where known) of the values of a graph, as `observeShapes` returns them. */
export type ObservedShapes = ReadonlyMap<
  string,
  { readonly dims: readonly number[]; readonly dtype?: DType | undefined }
>;

/** How channels pass through one node. */
export interface NodeFlow {
  readonly node: Node;
  /** Float activations the node reads and makes; constants and shape arithmetic are left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Which input channels make which output channels. Empty for a layer and where `reason` is set. */
  readonly links: readonly ChannelLink[];
  /** Set when the node multiplies by a constant weight: its input channels end here and its output channels begin. */
  readonly layer: LinearLayer | undefined;
  /** Why channels cannot be followed through the node: what it reads and makes must stay as it is. */
  readonly reason: string | undefined;
}

/** The channels of every float value of a graph and their way through its nodes. */
export interface ChannelFlow {
  readonly graph: Graph;
  readonly index: GraphIndex;
  /** In topological order. */
  readonly nodes: readonly NodeFlow[];
  /** Gates between two values of one shape, whose constants are float32. */
  readonly gates: readonly Gate[];
  /** Channels of a float activation; undefined for constants, other types and values of unknown shape. */
  space(value: string): ChannelSpace | undefined;
  /** Number of elements of a value of known shape, else 0. */
  size(value: string): number;
  /** Sizes of a value of known shape, else none. */
  dims(value: string): readonly number[];
  /** A value that is the same in every run: an initializer or the output of a Constant node. */
  constant(value: string): Tensor | undefined;
}

const FLOATS: ReadonlySet<DType> = new Set<DType>(["float32", "float16", "bfloat16", "float64"]);

/** Follows channels through a graph, operator by operator, with the table of rules.ts. */
export function channelFlow(graph: Graph, shapes: ObservedShapes): ChannelFlow {
  const index = indexGraph(graph);
  const spaces = new Map<string, ChannelSpace>();
  const constant = (value: string) => constantOf(graph, index, value);
  for (const { name } of graph.inputs) {
    const shape = shapes.get(name);
    if (!shape || !isFloat(shape.dtype) || graph.initializers.has(name)) continue;
    const multiplies = index.uses(name).every(({ node, input }) => isOp(node, "MatMul") && input === 0);
    const own =
      multiplies && shape.dims.length > 2 ? spaceOf(shape.dims, [shape.dims.length - 1]) : defaultSpace(shape.dims);
    spaces.set(name, { ...own, assumed: true });
  }
  const isActivation = (value: string) =>
    value !== "" && !constant(value) && isFloat(shapes.get(value)?.dtype ?? declaredType(graph, value));
  const nodes = topologicalOrder(graph)
    .filter((node) => !factsOf(node)?.readsShape && !constant(node.outputs[0] ?? ""))
    .map((node): NodeFlow => {
      const inputs = node.inputs.filter(isActivation);
      const outputs = node.outputs.filter(isActivation);
      const flow = followNode(graph, node, { inputs, outputs, shapes, spaces, constant });
      outputs.forEach((value, k) => {
        const shape = shapes.get(value);
        const space = flow.spaces[k] ?? (shape && { ...defaultSpace(shape.dims), assumed: true as const });
        if (space) spaces.set(value, space);
      });
      return { node, inputs, outputs, links: flow.links, layer: flow.layer, reason: flow.reason };
    });
  const size = (value: string) => (shapes.has(value) ? sizeOf(shapes.get(value)!.dims) : 0);
  const dims = (value: string) => shapes.get(value)?.dims ?? [];
  const space = (value: string) => spaces.get(value);
  const followed = { index, nodes, constant, dims, space };
  return { ...followed, graph, size, gates: usableGates(followed) };
}

function usableGates({ nodes, index, constant, dims, space }: Omit<ChannelFlow, "graph" | "size" | "gates">): Gate[] {
  const refused = new Set(nodes.filter(({ reason }) => reason !== undefined).map(({ node }) => node));
  const all = nodes.map(({ node }) => node);
  const shape = (value: string) => `${dims(value)} ${space(value)?.axes}`;
  return findGates(all, index, (value) => constant(value) !== undefined).filter((gate) =>
    gate.nodes.every(
      (node) =>
        !refused.has(node) &&
        shape(node.outputs[0]!) === shape(gate.input) &&
        node.inputs.every((value) => (constant(value)?.dtype ?? "float32") === "float32"),
    ),
  );
}

interface NodeView {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly shapes: ObservedShapes;
  readonly spaces: ReadonlyMap<string, ChannelSpace>;
  readonly constant: (value: string) => Tensor | undefined;
}

interface Followed {
  readonly spaces: readonly ChannelSpace[];
  readonly links: readonly ChannelLink[];
  readonly layer?: LinearLayer;
  readonly reason?: string;
}

function followNode(graph: Graph, node: Node, view: NodeView): Followed {
  const { inputs, outputs, shapes, spaces, constant } = view;
  const stopped = (reason: string): Followed => ({ spaces: [], links: [], reason });
  if (inputs.length === 0 || outputs.length === 0) {
    return stopped("it has no float activation on one side");
  }
  const unknown = [...inputs, ...outputs].find((value) => !shapes.has(value));
  if (unknown !== undefined) return stopped(`the shape of "${unknown}" is not known`);
  const layer = linearLayerOf(graph, node);
  if (layer) return followLayer(layer, inputs, spaces, shapes);
  const rule = CHANNEL_RULES.get(operatorKey(node));
  if (!rule) return stopped(reasonWithoutRule(node));
  const ruleView: RuleView = {
    node,
    activations: inputs,
    dims: (value) => shapes.get(value)?.dims ?? [],
    space: (value) => spaces.get(value) ?? defaultSpace(shapes.get(value)?.dims ?? []),
    constant: (position) => constant(node.inputs[position] ?? ""),
  };
  const begins = beginsChannels({ ...ruleView, constants: node.inputs.map((value) => constant(value)?.dims) });
  if (begins !== undefined) return { spaces: [spaceOf(ruleView.dims(outputs[0]!), [begins])], links: [] };
  const result = rule(ruleView);
  if ("reason" in result) return stopped(result.reason);
  const assumed = inputs.every((value) => spaces.get(value)?.assumed) && { assumed: true as const };
  const links = result.pairs.map(({ input, output, from, to }) => ({
    input: inputs[input]!,
    output: outputs[output]!,
    from,
    to,
  }));
  return { spaces: result.spaces.map((space) => ({ ...space, ...assumed })), links };
}

function followLayer(
  layer: LinearLayer,
  inputs: readonly string[],
  spaces: ReadonlyMap<string, ChannelSpace>,
  shapes: ObservedShapes,
): Followed {
  const { convolves } = layer;
  const output = shapes.get(layer.output)!.dims;
  const input = shapes.get(layer.input)?.dims ?? [];
  const axis = (dims: readonly number[]) => (convolves ? 1 : dims.length - 1);
  const space = spaceOf(output, [axis(output)]);
  const read = spaces.get(layer.input);
  const stopped = (reason: string): Followed => ({ spaces: [space], links: [], layer, reason });
  if (inputs.length > 1) return stopped("its bias is computed, not constant");
  if (!read || !sameAxes(read.axes, [axis(input)]) || read.count !== layer.inChannels) {
    return stopped(`it reads channels along axis ${axis(input)}, its input counts them elsewhere`);
  }
  return { spaces: [space], links: [], layer };
}

function reasonWithoutRule(node: Node): string {
  if (isLayer(node)) return "its weight is computed, not constant";
  return `channels are not followed through ${node.opType}`;
}

function constantOf(graph: Graph, index: GraphIndex, value: string): Tensor | undefined {
  const initializer = graph.initializers.get(value);
  if (initializer) return initializer;
  const producer = index.producer(value);
  const attribute = producer?.opType === "Constant" ? producer.attributes.get("value") : undefined;
  return attribute?.type === "tensor" ? attribute.value : undefined;
}

function declaredType(graph: Graph, value: string): DType | undefined {
  return graph.valueInfos.get(value)?.dtype;
}

/** Unknown types count as float: a value nobody knows must be pinned, not overlooked. */
function isFloat(dtype: DType | undefined): boolean {
  return dtype === undefined || FLOATS.has(dtype);
}
