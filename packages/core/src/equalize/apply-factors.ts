import {
  createNode,
  type Graph,
  indexGraph,
  labelOf,
  type Model,
  NameAllocator,
  type Node,
  Tensor,
} from "../graph/index.js";
import type { Relu6Mode } from "./clip-rules.js";
import { factorsOf } from "./factors.js";
import { type GraphEdit, gateEdits, type TensorEdit } from "./gate-edits.js";
import type { ClassClip, ClassScaling, ScaleClasses, ScaleFactors } from "./scale-classes.js";
import { channelTensor, scaleBroadcast, scaleChannels, scaleWeight } from "./scale-tensor.js";

/** What became of a Clip. */
export interface ClipEdit {
  readonly node: string;
  /** `scalar`: one bound still serves all channels; `vector`: one a channel; `removed`: the bound is gone; `kept`: unchanged. */
  readonly bound: "scalar" | "vector" | "removed" | "kept";
  readonly channels: number;
}

/** Result of {@link applyFactors}. */
export interface AppliedFactors {
  /** False when every factor was 1. */
  readonly modified: boolean;
  readonly clips: readonly ClipEdit[];
}

/** Options for {@link applyFactors}. */
export interface ApplyOptions {
  /** Default: `'exact'`. */
  relu6?: Relu6Mode;
  /** Factor of the one bound that a Clip keeps in `common` mode: {@link FactorRules}. */
  boundFactor?: (clip: ClassClip, factors: ScaleFactors) => number;
}

interface NodeEdit {
  readonly node: Node;
  /** Nodes in its place; the last one makes its output. */
  readonly by: (names: NameAllocator) => { nodes: Node[]; tensors: ReadonlyMap<string, Tensor> };
}

/**
 * Multiplies variable v of every producer by its factor and divides every consumer by it, with the constants and bounds between
 * them, so that the function of the network stays the same. Each new weight is rounded once from float64 to float32; with factors
 * that are powers of two nothing is rounded. Constants that other nodes read as well are copied.
 *
 * `relu6` says what happens to the bounds of a Clip: see {@link Relu6Mode}; `common` needs the factor of each bound.
 */
export function applyFactors(
  model: Model,
  classes: ScaleClasses,
  factors: ScaleFactors,
  { relu6 = "exact", boundFactor }: ApplyOptions = {},
): AppliedFactors {
  const tensors: TensorEdit[] = [];
  const nodes: NodeEdit[] = [];
  const clips: ClipEdit[] = [];
  for (const { layer } of classes.flow.nodes) {
    if (!layer) continue;
    const a = scaling(classes, factors, layer.input);
    const b = scaling(classes, factors, layer.output);
    if (!a && !b) continue;
    const { node } = layer;
    tensors.push({ node, input: 1, tensor: scaleWeight(layer, a, b), name: layer.weight });
    const bias = classes.flow.constant(node.inputs[2] ?? "");
    if (!b || !bias) continue;
    const broadcast = !layer.convolves;
    const tensor = broadcast ? along(classes, layer.output, bias, b) : scaleChannels(bias, b);
    tensors.push({ node, input: 2, tensor, name: node.inputs[2]! });
  }
  for (const scaleClass of classes.classes) {
    for (const { node, input, layout } of scaleClass.constants) {
      const b = scaling(classes, factors, node.outputs[0]!);
      const constant = classes.flow.constant(node.inputs[input]!);
      if (!b || !constant) continue;
      const tensor = layout === "channel" ? scaleChannels(constant, b) : along(classes, node.outputs[0]!, constant, b);
      tensors.push({ node, input, tensor, name: node.inputs[input]! });
    }
    for (const clip of scaleClass.clips) {
      const common = relu6 === "common" ? boundFactor?.(clip, factors) : undefined;
      const edit = clipEdit(classes, clip, factors[scaleClass.id]!, relu6, common);
      clips.push(edit.report);
      if (edit.by) nodes.push({ node: clip.node, by: edit.by });
    }
  }
  for (const scaling of classes.scalings) tensors.push(...scaledConstants(classes, factors, scaling));
  const gates = gateEdits(classes, (value) => scaling(classes, factors, value));
  tensors.push(...gates.tensors);
  commit(model.graph, tensors, nodes, gates.edits);
  return { modified: tensors.length + nodes.length + gates.edits.length > 0, clips };
}

/** The constants of a node between two classes: multiplied by the output's factors, the first divided by the input's. */
function scaledConstants(classes: ScaleClasses, factors: ScaleFactors, own: ClassScaling): TensorEdit[] {
  const { node, input, output, constants, layout } = own;
  const a = input === undefined ? undefined : scaling(classes, factors, input);
  const b = scaling(classes, factors, output);
  if (!a && !b) return [];
  return constants.map((at, k) => {
    const name = node.inputs[at]!;
    const constant = classes.flow.constant(name)!;
    const { count } = classes.flow.space(output)!;
    const by = Float64Array.from({ length: count }, (_, c) => (b?.[c] ?? 1) / (k === 0 ? (a?.[c] ?? 1) : 1));
    const tensor = layout === "channel" ? scaleChannels(constant, by) : along(classes, output, constant, by);
    return { node, input: at, tensor, name };
  });
}

/** Factors of a value, undefined when all are 1. */
function scaling(classes: ScaleClasses, factors: ScaleFactors, value: string): Float64Array | undefined {
  const own = factorsOf(classes, factors, value);
  return own?.some((factor) => factor !== 1) ? own : undefined;
}

function along(classes: ScaleClasses, value: string, constant: Tensor, factors: Float64Array): Tensor {
  return scaleBroadcast(constant, classes.flow.dims(value), classes.flow.space(value)!.axes, factors);
}

function clipEdit(
  classes: ScaleClasses,
  { node, bounds, variables }: ClassClip,
  factors: Float64Array,
  relu6: Relu6Mode,
  common: number | undefined,
): { report: ClipEdit; by?: NodeEdit["by"] } {
  const own = Float64Array.from(variables, (variable) => factors[variable]!);
  const report = (bound: ClipEdit["bound"]) => ({ node: labelOf(node), bound, channels: own.length });
  if (relu6 === "replace" && bounds.low === 0) return { report: report("removed"), by: () => replaced(node) };
  if (own.every((factor) => factor === 1) || relu6 === "paper") return { report: report("kept") };
  const uniform = own.every((factor) => factor === own[0]);
  if (uniform || common !== undefined) {
    const factor = common ?? own[0]!;
    return { report: report("scalar"), by: (names) => scaledClip(node, bounds, factor, names) };
  }
  const dims = classes.flow.dims(node.outputs[0]!);
  const { axes } = classes.flow.space(node.outputs[0]!)!;
  const vector = (bound: number) =>
    channelTensor(
      dims,
      axes,
      own.map((factor) => factor * bound),
    );
  return { report: report("vector"), by: (names) => vectorClip(node, bounds, vector, names) };
}

const NOTHING: ReadonlyMap<string, Tensor> = new Map();

function replaced(node: Node): { nodes: Node[]; tensors: ReadonlyMap<string, Tensor> } {
  return {
    nodes: [createNode({ opType: "Relu", inputs: [node.inputs[0]!], outputs: node.outputs, name: node.name })],
    tensors: NOTHING,
  };
}

type Bounds = ClassClip["bounds"];

function scaledClip(node: Node, { low, high }: Bounds, factor: number, names: NameAllocator) {
  const tensors = new Map<string, Tensor>();
  const bound = (value: number | undefined, kind: string) => {
    if (value === undefined) return "";
    const name = names.allocate(`${node.name || node.outputs[0]}_${kind}`);
    tensors.set(name, Tensor.scalar(value * factor));
    return name;
  };
  const inputs = [node.inputs[0]!, bound(low, "min"), bound(high, "max")];
  return { nodes: [createNode({ opType: "Clip", inputs, outputs: node.outputs, name: node.name })], tensors };
}

/** Relu (or Max with a vector, or nothing) and Min with a vector. */
function vectorClip(node: Node, { low, high }: Bounds, vector: (bound: number) => Tensor, names: NameAllocator) {
  const tensors = new Map<string, Tensor>();
  const stem = node.name || node.outputs[0]!;
  const constant = (bound: number, kind: string) => {
    const name = names.allocate(`${stem}_${kind}`);
    tensors.set(name, vector(bound));
    return name;
  };
  const output = node.outputs[0]!;
  const between = high === undefined ? output : names.allocate(`${output}_low`);
  const nodes: Node[] = [];
  let value = node.inputs[0]!;
  if (low !== undefined) {
    const inputs = low === 0 ? [value] : [value, constant(low, "min")];
    nodes.push(createNode({ opType: low === 0 ? "Relu" : "Max", inputs, outputs: [between], name: node.name }));
    value = between;
  }
  if (high !== undefined) {
    const name = low === undefined ? node.name : names.allocate(`${stem}_bound`);
    nodes.push(createNode({ opType: "Min", inputs: [value, constant(high, "max")], outputs: [output], name }));
  }
  return { nodes, tensors };
}

/** Everything was computed before; from here on nothing throws. */
function commit(
  graph: Graph,
  tensors: readonly TensorEdit[],
  edits: readonly NodeEdit[],
  gates: readonly GraphEdit[],
): void {
  const names = new NameAllocator(graph);
  const index = indexGraph(graph);
  const touched = new Set<string>();
  for (const { node, input, tensor, name } of tensors) {
    touched.add(name);
    const alone = index.uses(name).length === 1 && !index.isInput(name) && !index.isOutput(name);
    if (alone && graph.initializers.has(name)) {
      graph.initializers.set(name, tensor);
      continue;
    }
    const copy = names.allocate(`${name}_scaled`);
    graph.initializers.set(copy, tensor);
    node.inputs[input] = copy;
  }
  const places = new Map(edits.map(({ node, by }) => [node, by(names)]));
  graph.nodes = graph.nodes.flatMap((node) => {
    const place = places.get(node);
    if (!place) return [node];
    for (const value of node.inputs.slice(1)) touched.add(value);
    for (const [name, tensor] of place.tensors) graph.initializers.set(name, tensor);
    return place.nodes;
  });
  for (const edit of gates) edit(graph, names);
  const after = indexGraph(graph);
  for (const name of touched) {
    if (after.uses(name).length === 0 && !after.isInput(name) && !after.isOutput(name)) graph.initializers.delete(name);
  }
}
