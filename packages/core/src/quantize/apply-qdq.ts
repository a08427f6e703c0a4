import {
  type Attribute,
  createNode,
  type DType,
  type Graph,
  int,
  type Model,
  NameAllocator,
  type Node,
  sortNodes,
  Tensor,
} from "../graph/index.js";
import type { Encoding } from "../math/index.js";
import { integerTensor } from "./integer-tensor.js";
import type { LayerParameters } from "./parameters.js";
import type { Placement } from "./placement.js";

/** Everything that is decided before the graph is touched. */
export interface QuantizationPlan {
  readonly placement: Placement;
  /** Encoding by value name; values of one group share one object. */
  readonly activations: ReadonlyMap<string, Encoding>;
  readonly parameters: readonly LayerParameters[];
}

/**
 * Rewrites the model to a QDQ graph: integer weights and biases in the file, a QuantizeLinear–DequantizeLinear pair on every
 * value with an encoding. Integer kernels are chosen by the runtime from these pairs.
 *
 * Weights are always stored as integers: ONNX Runtime would otherwise quantize float weights between such pairs by itself.
 */
export function applyQdq(model: Model, plan: QuantizationPlan): void {
  const writer = new QdqWriter(model);
  for (const parameters of plan.parameters) writer.layer(parameters);
  writer.activations(plan);
  sortNodes(model.graph);
}

/** Data types that only Microsoft's operators take below opset 21. */
const WIDE: ReadonlySet<DType> = new Set(["int16", "uint16", "int4", "uint4"]);

class QdqWriter {
  readonly #graph: Graph;
  readonly #model: Model;
  readonly #names: NameAllocator;
  /** Scale and zero-point initializers of an encoding: values of one group share them. */
  readonly #constants = new Map<Encoding, { scale: string; zeroPoint: string }>();

  constructor(model: Model) {
    this.#model = model;
    this.#graph = model.graph;
    this.#names = new NameAllocator(model.graph);
  }

  layer(parameters: LayerParameters): void {
    const { layer, weight, bias } = parameters;
    const dequantized = this.#constant(layer.weight, weight.encoding, weight.data);
    layer.node.inputs[1] = dequantized;
    if (bias?.data) layer.node.inputs[2] = this.#constant(layer.bias!, bias.encoding!, bias.data);
    this.#dropUnused(layer.weight);
    if (bias?.data) this.#dropUnused(layer.bias!);
  }

  activations(plan: QuantizationPlan): void {
    const integer = plan.placement.nodes;
    for (const [value, encoding] of plan.activations) this.#pair(value, encoding, integer);
  }

  /** Adds an integer initializer and the DequantizeLinear that reads it; returns the dequantized value. */
  #constant(stem: string, encoding: Encoding, data: Tensor): string {
    const quantized = this.#names.allocate(`${stem}_quantized`);
    this.#graph.initializers.set(quantized, data);
    const { scale, zeroPoint } = this.#encodingConstants(stem, encoding);
    const output = this.#names.allocate(`${stem}_dequantized`);
    this.#graph.nodes.push(this.#node("DequantizeLinear", [quantized, scale, zeroPoint], output, encoding));
    return output;
  }

  #pair(value: string, encoding: Encoding, integer: ReadonlySet<Node>): void {
    const graph = this.#graph;
    const isInput = graph.inputs.some(({ name }) => name === value);
    const isOutput = graph.outputs.some(({ name }) => name === value);
    let source = value;
    let target = this.#names.allocate(`${value}_dequantized`);
    if (isOutput) {
      // The output keeps its name: what was made under it is renamed.
      source = this.#names.allocate(`${value}_float`);
      const producer = graph.nodes.find((node) => node.outputs.includes(value))!;
      producer.outputs = producer.outputs.map((output) => (output === value ? source : output));
      target = value;
    }
    for (const node of graph.nodes) {
      // A float operator may read the input of the network as it is; elsewhere the float value vanishes in the integer kernel.
      if (isInput && !integer.has(node)) continue;
      node.inputs = node.inputs.map((input) => (input === value ? target : input));
    }
    const { scale, zeroPoint } = this.#encodingConstants(value, encoding);
    const quantized = this.#names.allocate(`${value}_quantized`);
    graph.nodes.push(this.#node("QuantizeLinear", [source, scale, zeroPoint], quantized, encoding));
    graph.nodes.push(this.#node("DequantizeLinear", [quantized, scale, zeroPoint], target, encoding));
  }

  #node(opType: string, inputs: string[], output: string, encoding: Encoding): Node {
    const domain = WIDE.has(encoding.dtype as DType) && (this.#model.opsets.get("") ?? 0) < 21 ? "com.microsoft" : "";
    if (domain !== "" && !this.#model.opsets.has(domain)) this.#model.opsets.set(domain, 1);
    const attributes: Record<string, Attribute> = encoding.axis === null ? {} : { axis: int(encoding.axis) };
    return createNode({
      opType,
      inputs,
      outputs: [output],
      name: this.#names.allocate(`${output}_${opType}`),
      domain,
      attributes,
    });
  }

  #encodingConstants(stem: string, encoding: Encoding): { scale: string; zeroPoint: string } {
    const known = this.#constants.get(encoding);
    if (known) return known;
    const dims = encoding.axis === null ? [] : [encoding.scale.length];
    const names = {
      scale: this.#names.allocate(`${stem}_scale`),
      zeroPoint: this.#names.allocate(`${stem}_zero_point`),
    };
    this.#graph.initializers.set(names.scale, Tensor.float32(dims, Float32Array.from(encoding.scale)));
    this.#graph.initializers.set(names.zeroPoint, integerTensor(encoding.dtype as DType, dims, encoding.zeroPoint));
    this.#constants.set(encoding, names);
    return names;
  }

  #dropUnused(initializer: string): void {
    if (this.#graph.nodes.some((node) => node.inputs.includes(initializer))) return;
    this.#graph.initializers.delete(initializer);
    this.#graph.inputs = this.#graph.inputs.filter(({ name }) => name !== initializer);
  }
}
