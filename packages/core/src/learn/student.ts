import type { Target } from "../correct/targets.js";
import {
  type Attribute,
  cloneModel,
  type Graph,
  GraphBuilder,
  type Model,
  type Node,
  removeDead,
  sortNodes,
  Tensor,
  Uses,
} from "../graph/index.js";
import { dequantizeValues, type Encoding, type IntegerArray, type IntegerDType } from "../math/index.js";
import { factsOf } from "../operators/facts.js";
import { emulateValue } from "../quantize/index.js";

/** A quantized network in float operators whose biases can be moved. */
export interface Student {
  readonly model: Model;
  /** For each target: its layer's output, and the initializer that holds its bias, float32 [channels]. */
  readonly layers: readonly { readonly output: string; readonly bias: string }[];
}

/**
 * Rewrites a QDQ graph so that it can be differentiated and run fast: constants behind DequantizeLinear become their float
 * values, a QuantizeLinear–DequantizeLinear pair becomes x̂ = scale·clamp(round(x/scale)) in float operators, and the bias of
 * every target becomes a float32 initializer of its own. The numbers are those of the integer network but for rounding
 * of float sums. The given model is not changed.
 */
export function studentModel(source: Model, targets: readonly Target[]): Student {
  const model = cloneModel(source);
  const { graph } = model;
  const twins = new Map(source.graph.nodes.map((node, at) => [node, graph.nodes[at]!]));
  const builder = new GraphBuilder(graph);
  const layers = targets.map(({ parameters, bias }, at) => {
    const node = twins.get(parameters.layer.node)!;
    const values = Float32Array.from(bias.values);
    const name = builder.constant(Tensor.float32([values.length], values), `tune/bias/${at}`);
    node.inputs[2] = name;
    return { output: node.outputs[0]!, bias: name };
  });
  emulate(graph, builder);
  sortNodes(graph);
  removeDead(graph);
  return { model, layers };
}

function emulate(graph: Graph, builder: GraphBuilder): void {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const replaced = new Set<Node>();
  const uses = new Uses(graph);
  for (const node of [...graph.nodes]) {
    if (node.opType !== "DequantizeLinear") continue;
    const [from = "", scale = "", zeroPoint = ""] = node.inputs;
    const encoding = encodingOf(graph, scale, zeroPoint, node.attributes.get("axis"));
    if (!encoding) continue;
    const stored = graph.initializers.get(from);
    const quantizer = producers.get(from);
    const [result] = node.outputs as [string];
    if (stored) {
      if (outputs.has(result)) continue;
      const data = dequantizeValues(stored.array() as IntegerArray, encoding, { dims: stored.dims });
      graph.initializers.set(result, Tensor.float32(stored.dims, data));
      replaced.add(node);
    } else if (quantizer?.opType === "QuantizeLinear" && encoding.axis === null && sameGrid(quantizer, node)) {
      const before = graph.nodes.length;
      const emulated = emulateValue(builder, quantizer.inputs[0]!, encoding, { name: result });
      for (const made of graph.nodes.slice(before)) uses.add(made);
      if (outputs.has(result)) graph.nodes.find((other) => other.outputs[0] === emulated)!.outputs = [result];
      else uses.replace(result, emulated);
      replaced.add(node);
    }
  }
  graph.nodes = graph.nodes.filter((node) => !replaced.has(node));
}

function sameGrid(quantizer: Node, dequantizer: Node): boolean {
  return quantizer.inputs[1] === dequantizer.inputs[1] && quantizer.inputs[2] === dequantizer.inputs[2];
}

const LIMITS: ReadonlyMap<string, readonly [number, number, number]> = new Map(
  Object.entries<readonly [number, number, number]>({
    int8: [-128, 127, 8],
    uint8: [0, 255, 8],
    int16: [-32768, 32767, 16],
    uint16: [0, 65535, 16],
    int32: [-(2 ** 31), 2 ** 31 - 1, 32],
  }),
);

/** The encoding a DequantizeLinear's constants say; undefined for what is no plain affine code of 8 to 32 bits. */
function encodingOf(graph: Graph, scale: string, zeroPoint: string, axis: Attribute | undefined): Encoding | undefined {
  const scales = graph.initializers.get(scale);
  const zeros = graph.initializers.get(zeroPoint);
  const limits = LIMITS.get(zeros?.dtype ?? "");
  if (!scales || !zeros || !limits || scales.dtype !== "float32") return undefined;
  const [qmin, qmax, bits] = limits;
  const perChannel = scales.dims.length === 1 && scales.size > 1;
  return {
    scale: scales.array() as Float32Array,
    zeroPoint: Int32Array.from(zeros.array() as IntegerArray),
    dtype: zeros.dtype as IntegerDType,
    bits,
    axis: perChannel ? (axis?.type === "int" ? Number(axis.value) : 1) : null,
    qmin,
    qmax,
    symmetric: false,
  };
}

/** The value in front of a Softmax or LogSoftmax that ends the network: what distillation compares. */
export function logitsOf(graph: Graph, output: string): string {
  const producer = graph.nodes.find(({ outputs }) => outputs.includes(output));
  return producer && factsOf(producer)?.kind === "softmax" ? producer.inputs[0]! : output;
}
