import { type Gate, gateProduct, type HardGate, hardGate, scalingInput } from "../channels/index.js";
import {
  createNode,
  type Graph,
  int,
  ints,
  isOp,
  type NameAllocator,
  type Node,
  Tensor,
  type Use,
} from "../graph/index.js";
import type { ScaleClasses } from "./scale-classes.js";
import { channelTensor, scaleBroadcast } from "./scale-tensor.js";

/** A constant operand to be replaced. */
export interface TensorEdit {
  readonly node: Node;
  readonly input: number;
  readonly tensor: Tensor;
  readonly name: string;
}

/** An edit of nodes, run when nothing can throw any more. */
export type GraphEdit = (graph: Graph, names: NameAllocator) => void;

/**
 * How gates keep their function on scaled values, x' = s·x → y' = s·y: x'·g(x'/s) = s·x·g(x). The division costs nothing where g begins with
 * a Mul or Div by a constant (GELU), which becomes a vector. The line of a hard gate becomes a depthwise layer of 1×1, slope/s and offset,
 * and so runs on integers. Elsewhere one Mul by a vector is put in front of g.
 */
export function gateEdits(
  classes: ScaleClasses,
  scaling: (value: string) => Float64Array | undefined,
): { tensors: TensorEdit[]; edits: GraphEdit[] } {
  const tensors: TensorEdit[] = [];
  const edits: GraphEdit[] = [];
  const { flow } = classes;
  const isConstant = (value: string) => flow.constant(value) !== undefined;
  for (const gate of classes.gates) {
    const factors = scaling(gate.input);
    if (!factors) continue;
    const inverse = factors.map((factor) => 1 / factor);
    const dims = flow.dims(gate.input);
    const { axes } = flow.space(gate.input)!;
    const hard = hardGate(gate, flow.constant);
    if (hard && dims.length > 2 && axes.length === 1 && axes[0] === 1) {
      edits.push((graph, names) => asLayer(graph, names, gate, hard, inverse, dims.length - 2));
      continue;
    }
    const multiply = (node: Node, by: Float64Array): TensorEdit | undefined => {
      const input = scalingInput(node, isConstant);
      if (input === undefined) return undefined;
      const own = isOp(node, "Div") ? by.map((factor) => 1 / factor) : by;
      const tensor = scaleBroadcast(flow.constant(node.inputs[input]!)!, dims, axes, own);
      return { node, input, tensor, name: node.inputs[input]! };
    };
    const product = gateProduct(gate, isConstant);
    const reads = product ? gate.reads.filter((read) => read !== product.carried) : gate.reads;
    const absorbed = reads.length === 1 ? multiply(reads[0]!.node, inverse) : undefined;
    if (absorbed) tensors.push(absorbed);
    else {
      const vector = channelTensor(dims, axes, inverse);
      edits.push((graph, names) => divideReads(graph, names, gate.input, reads, vector));
    }
    if (product) continue;
    const behind = multiply(gate.nodes.at(-1)!, factors);
    const vector = channelTensor(dims, axes, factors);
    if (behind) tensors.push(behind);
    else edits.push((graph, names) => multiplyOutput(graph, names, gate, vector));
  }
  return { tensors, edits };
}

/** Puts x'·(1/s) in front of the given reads. */
function divideReads(graph: Graph, names: NameAllocator, value: string, reads: readonly Use[], vector: Tensor): void {
  const plain = names.allocate(`${value}_unscaled`);
  const node = product(graph, names, value, vector, plain);
  const first = Math.min(...reads.map((read) => graph.nodes.indexOf(read.node)));
  for (const read of reads) read.node.inputs[read.input] = plain;
  graph.nodes.splice(first, 0, node);
}

/** Puts y·s behind a gate. The scaled value keeps the name, so that its statistics stay its own. */
function multiplyOutput(graph: Graph, names: NameAllocator, { nodes, output }: Gate, vector: Tensor): void {
  const last = nodes.at(-1)!;
  const plain = names.allocate(`${output}_unscaled`);
  last.outputs[0] = plain;
  graph.nodes.splice(graph.nodes.indexOf(last) + 1, 0, product(graph, names, plain, vector, output));
}

function product(graph: Graph, names: NameAllocator, from: string, vector: Tensor, to: string): Node {
  const factors = names.allocate(`${to}_factors`);
  graph.initializers.set(factors, vector);
  return createNode({ opType: "Mul", inputs: [from, factors], outputs: [to], name: names.allocate(`${to}_Mul`) });
}

/** x'·clip(slope/s·x' + offset, low, high), the line as a depthwise Conv. */
function asLayer(
  graph: Graph,
  names: NameAllocator,
  gate: Gate,
  { slope, offset, low, high, nodes }: HardGate,
  inverse: Float64Array,
  spatial: number,
): void {
  const last = nodes.at(-1)!;
  const channels = inverse.length;
  const constant = (kind: string, tensor: Tensor) => {
    const name = names.allocate(`${gate.output}_gate_${kind}`);
    graph.initializers.set(name, tensor);
    return name;
  };
  const ones = new Array<number>(spatial).fill(1);
  const slopes = Tensor.float32(
    [channels, 1, ...ones],
    Float32Array.from(inverse, (factor) => slope * factor),
  );
  const offsets = Tensor.float32([channels], new Float32Array(channels).fill(offset));
  const [line, bounded] = ["line", "gate"].map((kind) => names.allocate(`${gate.output}_${kind}`)) as [string, string];
  const conv = createNode({
    opType: "Conv",
    inputs: [gate.input, constant("slope", slopes), constant("offset", offsets)],
    outputs: [line],
    name: names.allocate(`${last.name || gate.output}_gate`),
    attributes: { group: int(channels), kernel_shape: ints(ones) },
  });
  const bounds = [constant("low", Tensor.scalar(low)), constant("high", Tensor.scalar(high))];
  const clip = createNode({
    opType: "Clip",
    inputs: [line, ...bounds],
    outputs: [bounded],
    name: names.allocate(`${bounded}_Clip`),
  });
  const inputs = [gate.input, bounded];
  const mul = createNode({
    opType: "Mul",
    inputs,
    outputs: [...last.outputs],
    name: names.allocate(`${last.outputs[0]}_Mul`),
  });
  const gone = new Set(nodes);
  graph.nodes = graph.nodes.flatMap((node) => (node === last ? [conv, clip, mul] : gone.has(node) ? [] : [node]));
}
