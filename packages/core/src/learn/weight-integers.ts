import { type Graph, type GraphIndex, Tensor } from "../graph/index.js";
import type { LinearLayer } from "../operators/index.js";
import type { LayerParameters } from "../quantize/index.js";
import { laneMaxima } from "../quantize/parameters.js";
import { saturationRatios } from "../quantize/saturation.js";
import type { Choices } from "./rounding.js";

/** h of every weight: 0 or 1, or with GPTQ any number within the type. */
export type Roundings = Uint8Array | Int16Array;

/** Inputs of a group above which G does not fit: 4·K² bytes, 151 MB. */
const MAX_INPUTS = 6144;

/** Why a layer keeps rounding to nearest; undefined when it need not. */
export function whyNotRounded(index: GraphIndex, layer: LinearLayer): string | undefined {
  const { node, opType, tensor } = layer;
  if (opType === "ConvTranspose") return "ConvTranspose is rounded to nearest only";
  if (opType === "MatMul" && tensor.dims.length !== 2) return "a stack of matrices is rounded to nearest only";
  const inputs = tensor.size / layer.outChannels;
  if (inputs > MAX_INPUTS) return `${inputs} inputs an output, more than ${MAX_INPUTS}`;
  const producer = index.producer(node.inputs[1]!);
  if (producer?.opType !== "DequantizeLinear") return "weights are not integers";
  if ([producer.inputs[0]!, node.inputs[1]!].some((value) => index.uses(value).length > 1))
    return "weights are shared by several layers";
  return undefined;
}

/** The integer weights of one layer in a QDQ model. A tensor is replaced, never written into. */
export class WeightIntegers {
  readonly #graph: Graph;
  readonly #index: GraphIndex;
  readonly #name: string;

  /** `maxima`: how large inputs get by channel, where that is known. */
  constructor(
    graph: Graph,
    index: GraphIndex,
    readonly parameters: LayerParameters,
    readonly maxima: ArrayLike<number> | undefined,
  ) {
    this.#graph = graph;
    this.#index = index;
    this.#name = index.producer(parameters.layer.node.inputs[1]!)!.inputs[0]!;
  }

  /** The tensor as it is. */
  get state(): Tensor {
    return this.#graph.initializers.get(this.#name)!;
  }

  /** Puts an earlier {@link state} back. */
  restore(tensor: Tensor): void {
    this.#graph.initializers.set(this.#name, tensor);
  }

  /** Stores a choice of roundings. */
  set(choices: Choices, h: Roundings): void {
    this.restore(this.#integers(choices, h));
  }

  /**
   * Takes back the choice of channels in which products of neighbours would no longer fit in 16 bits where rounding to nearest
   * does; see {@link saturationRatios}. Returns how many.
   */
  keepWithinLanes(choices: Choices, h: Roundings): number {
    const { layer, weight } = this.parameters;
    if (weight.encoding.dtype !== "int8" || weight.encoding.bits < 8) return 0;
    const input = this.#inputGrid();
    if (!input) return 0;
    const most = laneMaxima(layer, input, this.maxima);
    const ratios = saturationRatios(layer, this.#integers(choices, h).array() as Int8Array, most);
    const before = saturationRatios(layer, weight.data.array() as Int8Array, most);
    const perRow = layer.tensor.size / layer.outChannels;
    let taken = 0;
    for (let channel = 0; channel < layer.outChannels; channel++) {
      if (ratios[channel]! <= Math.max(1, before[channel]!)) continue;
      const at = channel * perRow;
      h.set(choices.nearest.subarray(at, at + perRow), at);
      taken++;
    }
    return taken;
  }

  /** Scale and zero point of the layer's input as its DequantizeLinear says them. */
  #inputGrid(): Parameters<typeof laneMaxima>[1] | undefined {
    const { node } = this.parameters.layer;
    const producer = this.#index.producer(node.inputs[0]!);
    const [scale, zero] = [1, 2].map((at) => this.#graph.initializers.get(producer?.inputs[at] ?? ""));
    if (!scale || !zero || (zero.dtype !== "uint8" && zero.dtype !== "int8")) return undefined;
    return {
      ...this.parameters.weight.encoding,
      scale: scale.array() as Float32Array,
      zeroPoint: Int32Array.from(zero.array() as Int8Array),
      dtype: zero.dtype,
      qmin: zero.dtype === "uint8" ? 0 : -128,
      qmax: zero.dtype === "uint8" ? 255 : 127,
    };
  }

  #integers(choices: Choices, h: Roundings): Tensor {
    const { data, encoding } = this.parameters.weight;
    const values = (data.array() as Int8Array).slice();
    const perRow = data.size / this.parameters.layer.outChannels;
    for (let at = 0; at < values.length; at++) {
      if (choices.free[at] === 0) continue;
      const zero = encoding.zeroPoint[encoding.axis === null ? 0 : Math.floor(at / perRow)]!;
      values[choices.flat[at]!] = choices.low[at]! + h[at]! + zero;
    }
    return Tensor.of(data.dtype, data.dims, values);
  }
}
