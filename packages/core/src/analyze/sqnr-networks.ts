import {
  capturedValues,
  cloneNode,
  type Graph,
  type GraphBuilder,
  type Node,
  replaceUses,
  subgraphsOf,
} from "../graph/index.js";
import { dequantizeTensor, emulateValue, type LayerParameters, type QuantizationPlan } from "../quantize/index.js";

/** Names of the dequantized weight and bias of a layer, shared by all networks of a graph. */
export class DequantizedParameters {
  readonly #builder: GraphBuilder;
  readonly #names = new Map<string, { weight: string; bias: string | undefined }>();

  constructor(builder: GraphBuilder, plan: QuantizationPlan) {
    this.#builder = builder;
    for (const parameters of plan.parameters) this.#names.set(parameters.layer.output, this.#add(parameters));
  }

  #add({ layer, weight, bias }: LayerParameters): { weight: string; bias: string | undefined } {
    return {
      weight: this.#builder.constant(dequantizeTensor(weight.data, weight.encoding), `${layer.weight}_hat`),
      bias: bias?.data && this.#builder.constant(dequantizeTensor(bias.data, bias.encoding!), `${layer.bias}_hat`),
    };
  }

  /** Makes a copy of a layer's node compute with quantized parameters; other nodes stay as they are. */
  apply(node: Node, output: string): void {
    const names = this.#names.get(output);
    if (!names) return;
    node.inputs[1] = names.weight;
    if (names.bias !== undefined) node.inputs[2] = names.bias;
  }
}

/**
 * A second network beside the float one in the same graph, with weights, activations or both quantized in float operators.
 * It reads the same inputs and constants; its values have names of their own.
 */
export class QuantizedNetwork {
  readonly #values = new Map<string, string>();

  constructor(
    readonly builder: GraphBuilder,
    readonly plan: QuantizationPlan,
    /** Dequantized weights; undefined where weights stay float. */
    readonly parameters: DequantizedParameters | undefined,
    readonly quantizesActivations: boolean,
  ) {}

  /** This network's name for a value of the float graph. */
  value(name: string): string {
    return this.#values.get(name) ?? name;
  }

  /** Appends copies of all nodes of the float graph, in order. */
  emit(source: Graph): void {
    const inputs = new Map<string, string>();
    if (this.quantizesActivations) {
      for (const { name } of source.inputs) {
        const encoding = this.plan.activations.get(name);
        if (encoding) inputs.set(name, emulateValue(this.builder, name, encoding));
      }
    }
    // Nodes of the plan may be of another copy of the model: outputs tell which they are.
    const integer = new Set([...this.plan.placement.nodes].map((node) => node.outputs[0]!));
    for (const node of source.nodes) this.#copy(node, integer.has(node.outputs[0]!) ? inputs : undefined);
  }

  #copy(node: Node, inputs: ReadonlyMap<string, string> | undefined): void {
    const copy = cloneNode(node);
    copy.name = "";
    const renamed = (name: string) => inputs?.get(name) ?? this.value(name);
    copy.inputs = node.inputs.map(renamed);
    for (const name of capturedValues(node)) {
      for (const graph of subgraphsOf(copy)) replaceUses(graph, name, renamed(name));
    }
    copy.outputs = node.outputs.map((output) => (output === "" ? "" : this.builder.names.allocate(`${output}_copy`)));
    this.parameters?.apply(copy, node.outputs[0]!);
    this.builder.graph.nodes.push(copy);
    node.outputs.forEach((output, at) => {
      if (output === "") return;
      const encoding = this.quantizesActivations ? this.plan.activations.get(output) : undefined;
      const made = copy.outputs[at]!;
      this.#values.set(output, encoding ? emulateValue(this.builder, made, encoding) : made);
    });
  }
}
