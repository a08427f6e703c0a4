import {
  type Attribute,
  createNode,
  type DType,
  type Graph,
  int,
  type Model,
  NameAllocator,
  type Node,
  replaceUses,
  sortNodes,
  Tensor,
} from "../graph/index.js";
import { type Encoding, representableRange, STORAGE_BITS } from "../math/index.js";
import type { ConstantParameters } from "./constants.js";
import { integerTensor } from "./integer-tensor.js";
import type { LayerParameters } from "./parameters.js";
import { dropUnused, placeOf } from "./place.js";
import type { Placement } from "./placement.js";
import { TARGET_KEY, type TargetName } from "./targets.js";

/** Everything that is decided before the graph is touched. */
export interface QuantizationPlan {
  readonly target: TargetName;
  readonly placement: Placement;
  /** Encoding by value name; values of one group share one object. */
  readonly activations: ReadonlyMap<string, Encoding>;
  readonly parameters: readonly LayerParameters[];
  /** Constants beside activations; each counts only while {@link activations} has its encoding. */
  readonly constants: readonly ConstantParameters[];
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
  writer.constants(plan);
  writer.activations(plan);
  sortNodes(model.graph);
  if (plan.parameters.length + plan.activations.size > 0) model.metadata.set(TARGET_KEY, plan.target);
}

/** Data types that only Microsoft's operators take below opset 21. */
const WIDE: ReadonlySet<DType> = new Set(["int16", "uint16", "int4", "uint4"]);

class QdqWriter {
  readonly #graph: Graph;
  readonly #model: Model;
  readonly #names: NameAllocator;
  /** Dequantized constants by name and encoding. */
  readonly #dequantized = new Map<string, string>();
  /** Scale and zero-point initializers of an encoding: values of one group share them. */
  readonly #constants = new Map<Encoding, { scale: string; zeroPoint: string }>();

  constructor(model: Model) {
    this.#model = model;
    this.#graph = model.graph;
    this.#names = new NameAllocator(model.graph);
  }

  layer(parameters: LayerParameters): void {
    const { layer, weight, bias } = parameters;
    layer.node.inputs[1] = this.#constant(layer.weight, weight.encoding, weight.data);
    if (bias?.data) layer.node.inputs[2] = this.#constant(layer.bias!, bias.encoding!, bias.data);
    dropUnused(this.#graph, layer.weight);
    if (bias?.data) dropUnused(this.#graph, layer.bias!);
  }

  constants(plan: QuantizationPlan): void {
    for (const { value, readers, encoding, data } of plan.constants) {
      if (!plan.activations.has(value)) continue;
      const dequantized = this.#constant(value, encoding, data);
      for (const node of readers) node.inputs = node.inputs.map((input) => (input === value ? dequantized : input));
      dropUnused(this.#graph, value);
    }
  }

  activations(plan: QuantizationPlan): void {
    const constants = new Set(plan.constants.map(({ value }) => value));
    for (const [value, encoding] of plan.activations) {
      if (!constants.has(value)) this.#pair(value, encoding, plan.placement.nodes);
    }
  }

  /**
   * Adds an integer initializer and the DequantizeLinear that reads it; returns the dequantized value. Layers that share
   * a weight share its integers where the encodings are equal, which those of two inputs need not be.
   */
  #constant(stem: string, encoding: Encoding, data: Tensor): string {
    const { scale, zeroPoint, dtype, axis } = encoding;
    const key = JSON.stringify([stem, dtype, axis, [...scale], [...zeroPoint]]);
    const known = this.#dequantized.get(key);
    if (known !== undefined) return known;
    const quantized = this.#names.allocate(`${stem}_quantized`);
    this.#graph.initializers.set(quantized, data);
    const constants = this.#encodingConstants(stem, encoding);
    const output = this.#names.allocate(`${stem}_dequantized`);
    this.#graph.nodes.push(
      this.#node("DequantizeLinear", [quantized, constants.scale, constants.zeroPoint], output, encoding),
    );
    this.#dequantized.set(key, output);
    return output;
  }

  #pair(value: string, encoding: Encoding, integer: ReadonlySet<Node>): void {
    const graph = this.#graph;
    const target = this.#names.allocate(`${value}_dequantized`);
    const { source, isOutput, untouched } = placeOf(graph, this.#names, value, integer);
    if (!isOutput) replaceUses(graph, value, target, new Set(untouched));
    const clip = this.#clip(value, source, encoding);
    const { scale, zeroPoint } = this.#encodingConstants(value, encoding);
    const quantized = this.#names.allocate(`${value}_quantized`);
    const from = clip?.outputs[0] ?? source;
    graph.nodes.push(
      ...(clip ? [clip] : []),
      this.#node("QuantizeLinear", [from, scale, zeroPoint], quantized, encoding),
      this.#node("DequantizeLinear", [quantized, scale, zeroPoint], isOutput ? value : target, encoding),
    );
  }

  /**
   * QuantizeLinear saturates at the ends of the stored type. Fewer bits than it has need a Clip before: to scale·(qmin − zeroPoint)
   * and scale·(qmax − zeroPoint), which QuantizeLinear takes to qmin and qmax.
   */
  #clip(stem: string, source: string, encoding: Encoding): Node | undefined {
    if (encoding.bits === STORAGE_BITS[encoding.dtype]) return undefined;
    const { min, max } = representableRange(encoding);
    const bounds = [min, max].map((bound, at) => {
      const name = this.#names.allocate(`${stem}_${at === 0 ? "lowest" : "highest"}`);
      this.#graph.initializers.set(name, Tensor.scalar(bound));
      return name;
    });
    const output = this.#names.allocate(`${stem}_clipped`);
    const name = this.#names.allocate(`${output}_Clip`);
    return createNode({ opType: "Clip", inputs: [source, ...bounds], outputs: [output], name });
  }

  #node(opType: string, inputs: string[], output: string, encoding: Encoding): Node {
    const domain = WIDE.has(encoding.dtype as DType) && (this.#model.opsets.get("") ?? 0) < 21 ? "com.microsoft" : "";
    if (domain !== "" && !this.#model.opsets.has(domain)) this.#model.opsets.set(domain, 1);
    const attributes: Record<string, Attribute> = encoding.axis === null ? {} : { axis: int(encoding.axis) };
    return createNode({
      opType,
      inputs,
      outputs: [output],
      // Their outputs name them: a name of their own would cost more than the weights of small layers.
      name: "",
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
}
