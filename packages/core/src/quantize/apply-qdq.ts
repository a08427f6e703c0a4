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
  Uses,
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
  writer.finish();
  sortNodes(model.graph);
  if (plan.parameters.length + plan.activations.size > 0) model.metadata.set(TARGET_KEY, plan.target);
}

const ENDINGS = { quantized: "_q", dequantized: "_dq", scale: "_s", zeroPoint: "_z" } as const;
/** Names of more than this are those of exporters that write paths, of which the end says most. */
const LONG_NAME = 40;

/**
 * Name of what a quantized file adds to a value. Short: each is written up to four times, and beside the weights of small layers names
 * weigh more than anything else.
 */
export function qdqName(value: string, what: keyof typeof ENDINGS): string {
  return (value.length > LONG_NAME ? value.slice(-LONG_NAME / 2) : value) + ENDINGS[what];
}

/** Data types that only Microsoft's operators take below opset 21. */
const WIDE: ReadonlySet<DType> = new Set(["int16", "uint16", "int4", "uint4"]);

class QdqWriter {
  readonly #graph: Graph;
  readonly #model: Model;
  readonly #names: NameAllocator;
  /** Float constants that were replaced by integers. */
  readonly #replaced: string[] = [];
  /** Dequantized constants by name and encoding. */
  readonly #dequantized = new Map<string, string>();
  /** Scale and zero-point initializers of an encoding: values of one group share them. */
  readonly #constants = new Map<Encoding, { scale: string; zeroPoint: string }>();
  /** Zero-point initializers by type and contents: there are few different ones. */
  readonly #zeroPoints = new Map<string, string>();

  constructor(model: Model) {
    this.#model = model;
    this.#graph = model.graph;
    this.#names = new NameAllocator(model.graph);
  }

  layer(parameters: LayerParameters): void {
    const { layer, weight, bias } = parameters;
    layer.node.inputs[1] = this.#constant(layer.weight, weight.encoding, weight.data);
    if (bias?.data) layer.node.inputs[2] = this.#constant(layer.bias!, bias.encoding!, bias.data);
    this.#replaced.push(layer.weight, ...(bias?.data ? [layer.bias!] : []));
  }

  constants(plan: QuantizationPlan): void {
    for (const { value, readers, encoding, data } of plan.constants) {
      if (!plan.activations.has(value)) continue;
      const dequantized = this.#constant(value, encoding, data);
      for (const node of readers) node.inputs = node.inputs.map((input) => (input === value ? dequantized : input));
      this.#replaced.push(value);
    }
  }

  /** Drops the float constants that nobody reads any more. */
  finish(): void {
    dropUnused(this.#graph, this.#replaced);
  }

  activations(plan: QuantizationPlan): void {
    const constants = new Set(plan.constants.map(({ value }) => value));
    const uses = new Uses(this.#graph);
    for (const [value, encoding] of plan.activations) {
      if (!constants.has(value)) this.#pair(value, encoding, plan.placement.nodes, uses);
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
    const quantized = this.#names.allocate(qdqName(stem, "quantized"));
    this.#graph.initializers.set(quantized, data);
    const constants = this.#encodingConstants(stem, encoding);
    const output = this.#names.allocate(qdqName(stem, "dequantized"));
    this.#graph.nodes.push(
      this.#node("DequantizeLinear", [quantized, constants.scale, constants.zeroPoint], output, encoding),
    );
    this.#dequantized.set(key, output);
    return output;
  }

  #pair(value: string, encoding: Encoding, integer: ReadonlySet<Node>, uses: Uses): void {
    const graph = this.#graph;
    const target = this.#names.allocate(qdqName(value, "dequantized"));
    const { source, isOutput, untouched } = placeOf(graph, this.#names, value, integer);
    if (!isOutput) uses.replace(value, target, new Set(untouched));
    const clip = this.#clip(value, source, encoding);
    const { scale, zeroPoint } = this.#encodingConstants(value, encoding);
    const quantized = this.#names.allocate(qdqName(value, "quantized"));
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
    const scale = this.#names.allocate(qdqName(stem, "scale"));
    this.#graph.initializers.set(scale, Tensor.float32(dims, Float32Array.from(encoding.scale)));
    const names = { scale, zeroPoint: this.#zeroPoint(stem, encoding, dims) };
    this.#constants.set(encoding, names);
    return names;
  }

  #zeroPoint(stem: string, { dtype, zeroPoint }: Encoding, dims: readonly number[]): string {
    const key = JSON.stringify([dtype, dims, [...zeroPoint]]);
    const known = this.#zeroPoints.get(key);
    if (known !== undefined) return known;
    const name = this.#names.allocate(qdqName(stem, "zeroPoint"));
    this.#graph.initializers.set(name, integerTensor(dtype as DType, dims, zeroPoint));
    this.#zeroPoints.set(key, name);
    return name;
  }
}
