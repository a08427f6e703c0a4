import {
  attributeOf,
  cloneModel,
  cloneNode,
  GraphBuilder,
  int,
  ints,
  isOp,
  type Model,
  type Node,
  removeDead,
  sortNodes,
} from "../graph/index.js";
import { emulateValue, type QuantizationPlan } from "../quantize/index.js";
import type { ObservedType } from "../runtime/index.js";
import type { MeasuredLayer } from "./sqnr-layers.js";
import { DequantizedParameters, QuantizedNetwork } from "./sqnr-networks.js";

/** Names of graph outputs, each [N, channels], by what they hold. */
export interface LayerOutputs {
  readonly layer: MeasuredLayer;
  /** Mean and mean square of the layer's input by input channel. */
  readonly inputMean: string;
  readonly inputPower: string;
  /** Mean square of the compared value. */
  readonly signal: string;
  /** Largest value, and largest of −value. */
  readonly top: string;
  readonly bottom: string;
  /** Share of values that an activation did not cut off; undefined without one. */
  readonly free: string | undefined;
  /** Share of values whose error is over half a step. */
  readonly overflow: string | undefined;
  readonly local: NoiseOutputs;
  readonly cumulative: NoiseOutputs | undefined;
}

/** Mean square errors. */
export interface NoiseOutputs {
  readonly weights: string;
  readonly activations: string | undefined;
  readonly both: string | undefined;
}

export interface SqnrGraph {
  readonly model: Model;
  readonly layers: readonly LayerOutputs[];
}

/**
 * One graph with the float network, its quantized versions and every layer's local branches side by side, whose outputs
 * are powers of signals and errors, reduced over positions. Everything is float operators, so that ONNX Runtime has no
 * Q/DQ nodes to turn into integer kernels; what it fuses otherwise does not change values beyond float rounding.
 */
export function buildSqnrGraph(
  source: Model,
  plan: QuantizationPlan,
  layers: readonly MeasuredLayer[],
  types: ReadonlyMap<string, ObservedType>,
  cumulative: boolean,
): SqnrGraph {
  const model = cloneModel(source);
  model.graph.outputs = [];
  const builder = new GraphBuilder(model.graph);
  const parameters = new DequantizedParameters(builder, plan);
  const network = (weights: boolean, activations: boolean) => {
    const made = new QuantizedNetwork(builder, plan, weights ? parameters : undefined, activations);
    made.emit(source.graph);
    return made;
  };
  const networks = cumulative
    ? { weights: network(true, false), activations: network(false, true), both: network(true, true) }
    : undefined;
  const reduce = new Reductions(builder, types);
  const outputs = layers.map((measured): LayerOutputs => {
    const { layer, value, encoding } = measured;
    const like = { rank: types.get(value)!.dims.length, last: layer.opType === "MatMul" };
    const inputLike = { rank: types.get(layer.input)!.dims.length, last: layer.opType === "MatMul" };
    const error = (noisy: string | undefined) => (noisy === undefined ? undefined : reduce.error(value, noisy, like));
    const weights = localWeights(builder, measured, parameters);
    const quantized = encoding && emulateValue(builder, value, encoding);
    const both = encoding && emulateValue(builder, weights, encoding);
    const half = encoding && 0.5001 * encoding.scale[0]!;
    return {
      layer: measured,
      inputMean: reduce.mean(layer.input, inputLike),
      inputPower: reduce.power(layer.input, inputLike),
      signal: reduce.power(value, like),
      top: reduce.max(value, like),
      bottom: reduce.max(reduce.node("Neg", value), like),
      free: freeShare(builder, measured, (indicator) => reduce.mean(indicator, like)),
      overflow: quantized && reduce.mean(overHalf(builder, reduce.node("Sub", value, quantized), half!), like),
      local: { weights: error(weights)!, activations: error(quantized), both: error(both) },
      cumulative: networks && {
        weights: error(networks.weights.value(value))!,
        activations: error(networks.activations.value(value)),
        both: error(networks.both.value(value)),
      },
    };
  });
  removeDead(model.graph);
  sortNodes(model.graph);
  return { model, layers: outputs };
}

/** The layer and its activations with quantized parameters and the float input. */
export function localWeights(
  builder: GraphBuilder,
  { layer, activations }: MeasuredLayer,
  parameters: DequantizedParameters,
): string {
  let original = layer.output;
  let value = original;
  for (const node of [layer.node, ...activations]) {
    const copy = cloneNode(node);
    copy.name = "";
    if (node === layer.node) parameters.apply(copy, layer.output);
    else copy.inputs = node.inputs.map((input) => (input === original ? value : input));
    original = node.outputs[0]!;
    value = builder.names.allocate(`${node.outputs[0]}_local`);
    copy.outputs = [value];
    builder.graph.nodes.push(copy);
  }
  return value;
}

/** Mean of 1 where the activations let their input through, 0 where they cut off: such values lie on the grid and carry no noise. */
export function freeShare(
  builder: GraphBuilder,
  { activations, value }: MeasuredLayer,
  mean: (indicator: string) => string,
): string | undefined {
  let inside: string | undefined;
  for (const node of activations) {
    const { above, below } = boundsOf(builder, node);
    const tests = [above && builder.node("Greater", [value, above]), below && builder.node("Less", [value, below])];
    for (const test of tests) {
      if (test) inside = inside === undefined ? test : builder.node("And", [inside, test]);
    }
  }
  return inside && mean(builder.node("Cast", [inside], { to: int(1) }));
}

/** Values between which an activation is the identity. */
function boundsOf(builder: GraphBuilder, node: Node): { above?: string | undefined; below?: string | undefined } {
  if (isOp(node, "Relu")) return { above: builder.constant(0, "zero") };
  if (isOp(node, "Min")) return { below: node.inputs.find((input) => builder.graph.initializers.has(input)) };
  const bound = (input: number, name: string) => {
    const attribute = attributeOf(node, name, "float", undefined);
    return node.inputs[input] || (attribute === undefined ? undefined : builder.constant(attribute, name));
  };
  return { above: bound(1, "min"), below: bound(2, "max") };
}

function overHalf(builder: GraphBuilder, error: string, half: number): string {
  const over = builder.node("Greater", [builder.node("Abs", [error]), builder.constant(half, "half")]);
  return builder.node("Cast", [over], { to: int(1) });
}

/** Where the channels of a value lie: axis 1, or the last one. */
interface Layout {
  readonly rank: number;
  readonly last: boolean;
}

/** Appends reductions to [N, channels] as graph outputs, each only once. */
export class Reductions {
  readonly #known = new Map<string, string>();

  constructor(
    readonly builder: GraphBuilder,
    readonly types: ReadonlyMap<string, ObservedType>,
  ) {}

  node(opType: string, ...inputs: string[]): string {
    return this.#once(`${opType}:${inputs.join()}`, () => this.builder.node(opType, inputs));
  }

  mean(value: string, layout: Layout): string {
    return this.#pool("GlobalAveragePool", value, layout);
  }

  max(value: string, layout: Layout): string {
    return this.#pool("GlobalMaxPool", value, layout);
  }

  power(value: string, layout: Layout): string {
    return this.mean(this.node("Mul", value, value), layout);
  }

  error(value: string, noisy: string, layout: Layout): string {
    return this.power(this.node("Sub", value, noisy), layout);
  }

  #pool(opType: string, value: string, { rank, last }: Layout): string {
    return this.#once(`${opType}:${value}:output`, () => {
      let result = value;
      if (rank > 2) {
        // Channels before positions; then the pooling operators, which keep ONNX Runtime's blocked layout.
        const perm = [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, at) => at + 1)];
        if (last) result = this.builder.node("Transpose", [result], { perm: ints(perm) });
        result = this.builder.node("Flatten", [this.builder.node(opType, [result])]);
      } else result = this.builder.node("Identity", [value]);
      this.builder.output(result);
      return result;
    });
  }

  #once(key: string, make: () => string): string {
    const known = this.#known.get(key) ?? make();
    this.#known.set(key, known);
    return known;
  }
}
