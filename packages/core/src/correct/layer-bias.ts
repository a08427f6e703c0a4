import { type Graph, isOp, labelOf, NameAllocator, type Node, Tensor } from "../graph/index.js";
import { biasIntegers, type LayerParameters } from "../quantize/index.js";

/**
 * The bias of one layer in a QDQ model, whatever its form: integers behind DequantizeLinear (32 bits, or 16 significant
 * ones), or float32. A tensor is replaced, never written into.
 */
export class LayerBias {
  readonly #graph: Graph;
  /** Name of the initializer. */
  readonly #name: string;
  /** Undefined where the bias is float. */
  readonly #scale: Float32Array | undefined;
  readonly #sixteenBits: boolean;

  private constructor(graph: Graph, name: string, scale: Float32Array | undefined, sixteenBits: boolean) {
    this.#graph = graph;
    this.#name = name;
    this.#scale = scale;
    this.#sixteenBits = sixteenBits;
  }

  /** The bias of a layer of the plan, as applyQdq left it; a sentence that says why not where it has none to correct. */
  static of(graph: Graph, parameters: LayerParameters): LayerBias | string {
    const { node, opType } = parameters.layer;
    const input = node.inputs[2] ?? "";
    if (opType === "MatMul") return "MatMul has no bias input";
    if (input === "" || !parameters.bias) return "no bias: call ensureBiases before planning";
    const producer = graph.nodes.find(({ outputs }) => outputs.includes(input));
    if (!producer) {
      return graph.initializers.get(input)?.dtype === "float32"
        ? new LayerBias(graph, exclusive(graph, node, input), undefined, false)
        : "bias is computed, not constant";
    }
    const scale = graph.initializers.get(producer.inputs[1] ?? "");
    if (!isOp(producer, "DequantizeLinear") || !scale) return `bias is made by ${producer.opType}`;
    const sixteenBits = parameters.bias.encoding?.bits === 16;
    return new LayerBias(graph, producer.inputs[0]!, scale.array() as Float32Array, sixteenBits);
  }

  get tensor(): Tensor {
    return this.#graph.initializers.get(this.#name)!;
  }

  /** Puts an earlier {@link tensor} back. */
  restore(tensor: Tensor): void {
    this.#graph.initializers.set(this.#name, tensor);
  }

  /** The bias in units of the layer's output. */
  get values(): Float64Array {
    const scale = this.#scale;
    const stored = this.tensor.array() as Int32Array | Float32Array;
    return Float64Array.from(stored, (value, channel) => value * (scale?.[scale.length === 1 ? 0 : channel] ?? 1));
  }

  /** Replaces the bias, one value an output channel, rounded to its own grid. */
  set(values: ArrayLike<number>): void {
    const { dims } = this.tensor;
    this.restore(
      this.#scale
        ? Tensor.of("int32", dims, biasIntegers(values, this.#scale, this.#sixteenBits))
        : Tensor.float32(dims, Float32Array.from(values)),
    );
  }

  /** b ← b + shift, one value an output channel, rounded to the bias's own grid. */
  add(shift: ArrayLike<number>): void {
    this.set(this.values.map((value, channel) => value + shift[channel]!));
  }
}

/** The initializer's name, or that of a copy for this node alone where another node reads it too. */
function exclusive(graph: Graph, node: Node, name: string): string {
  if (graph.nodes.every((other) => other === node || !other.inputs.includes(name))) return name;
  const copy = new NameAllocator(graph).allocate(`${labelOf(node)}_bias`);
  graph.initializers.set(copy, graph.initializers.get(name)!);
  node.inputs[2] = copy;
  return copy;
}
