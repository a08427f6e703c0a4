import { type Graph, labelOf, NameAllocator, type Node, Tensor } from "../graph/index.js";
import { accumulatorBias, type LayerParameters, narrowBias, type QuantizedBias } from "../quantize/index.js";

/** A bias as it stands in the graph: its tensor, and the scale of its integers. */
export interface BiasState {
  readonly stored: Tensor;
  readonly scale: Tensor | undefined;
}

/**
 * The bias of one layer in a QDQ model, whatever its form: integers behind DequantizeLinear (32 bits on the accumulator's grid,
 * 16 or 8 on one of their own, which follows the values), or float32. A tensor is replaced, never written into.
 */
export class LayerBias {
  readonly #graph: Graph;
  /** Name of the initializer. */
  readonly #name: string;
  /** Name of the scale's initializer; undefined where the bias is float. */
  readonly #scaleName: string | undefined;

  private constructor(graph: Graph, name: string, scaleName?: string) {
    this.#graph = graph;
    this.#name = name;
    this.#scaleName = scaleName;
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
        ? new LayerBias(graph, exclusive(graph, node, input))
        : "bias is computed, not constant";
    }
    const scale = graph.initializers.get(producer.inputs[1] ?? "");
    // Below opset 21, integers of 16 bits are Microsoft's operator's.
    if (producer.opType !== "DequantizeLinear" || !scale) return `bias is made by ${producer.opType}`;
    return new LayerBias(graph, producer.inputs[0]!, producer.inputs[1]!);
  }

  get state(): BiasState {
    const { initializers } = this.#graph;
    const scale = this.#scaleName === undefined ? undefined : initializers.get(this.#scaleName)!;
    return { stored: initializers.get(this.#name)!, scale };
  }

  /** Puts an earlier {@link state} back. */
  restore({ stored, scale }: BiasState): void {
    this.#graph.initializers.set(this.#name, stored);
    if (scale) this.#graph.initializers.set(this.#scaleName!, scale);
  }

  /** The bias in units of the layer's output. */
  get values(): Float64Array {
    const state = this.state;
    const scale = state.scale?.array() as Float32Array | undefined;
    const stored = state.stored.array() as Int32Array | Float32Array;
    return Float64Array.from(stored, (value, channel) => value * (scale?.[scale.length === 1 ? 0 : channel] ?? 1));
  }

  /** Replaces the bias, one value an output channel, rounded to its own grid. */
  set(values: ArrayLike<number>): void {
    const state = this.state;
    if (!state.scale) {
      this.restore({ ...state, stored: Tensor.float32(state.stored.dims, Float32Array.from(values)) });
      return;
    }
    const { data, encoding } = quantizedLike(values, state.stored, state.scale);
    const scale =
      state.stored.dtype === "int32"
        ? state.scale
        : Tensor.float32(state.scale.dims, Float32Array.from(encoding.scale));
    this.restore({ stored: data, scale });
  }

  /** b ← b + shift, one value an output channel, rounded to the bias's own grid. */
  add(shift: ArrayLike<number>): void {
    this.set(this.values.map((value, channel) => value + shift[channel]!));
  }
}

/** New values in the form of the old ones. A grid of powers of two stays one. */
function quantizedLike(values: ArrayLike<number>, { dtype }: Tensor, scale: Tensor): QuantizedBias {
  const known = scale.array() as Float32Array;
  if (dtype === "int16" || dtype === "int8") return narrowBias(values, dtype, Number.isInteger(Math.log2(known[0]!)));
  return accumulatorBias(values, known);
}

/** The initializer's name, or that of a copy for this node alone where another node reads it too. */
function exclusive(graph: Graph, node: Node, name: string): string {
  if (graph.nodes.every((other) => other === node || !other.inputs.includes(name))) return name;
  const copy = new NameAllocator(graph).allocate(`${labelOf(node)}_bias`);
  graph.initializers.set(copy, graph.initializers.get(name)!);
  node.inputs[2] = copy;
  return copy;
}
