import {
  type Graph,
  type GraphIndex,
  indexGraph,
  labelOf,
  type Model,
  type Node,
  type Tensor,
} from "../graph/index.js";
import { factsOf, type OperatorKind } from "../operators/facts.js";
import type { LearnableDetails, QuantizationDetails } from "./details.js";
import { TARGET_KEY, TARGETS, type TargetSpec, targetOf } from "./targets.js";

/** Key of a model's metadata: JSON, by layer the names of the BatchNormalizations folded into it. */
export const FOLDED_KEY = "equant.folded";

/** What stands between a stored weight and the layer in other tools' files. */
const CARRIERS: readonly (OperatorKind | undefined)[] = ["copy", "cast", "rearrange"];

const isQ = (node: Node | undefined): boolean => node?.opType === "QuantizeLinear";
const isDq = (node: Node | undefined): boolean => node?.opType === "DequantizeLinear";

/**
 * What is quantized in a file, whoever wrote it: layers and operators between Q/DQ pairs with the activations fused into them and
 * the BatchNormalizations folded into them (where the file says so), integer operators, and every learnable with shape and type.
 * A layer that has integer weights but reads floats is in `learnables` alone: it multiplies in float.
 */
export function detailsOfFile(model: Model): QuantizationDetails {
  return new FileDetails(model).read();
}

class FileDetails {
  readonly #graph: Graph;
  readonly #index: GraphIndex;
  readonly #integer = new Set<Node>();
  readonly #learnables: LearnableDetails[] = [];
  /** What the file's target runs on integers; of a file that does not say, what ONNX Runtime does. */
  readonly #spec: TargetSpec;

  constructor(readonly model: Model) {
    this.#graph = model.graph;
    this.#index = indexGraph(model.graph);
    this.#spec = TARGETS[targetOf(model) ?? "ort-cpu"];
  }

  read(): QuantizationDetails {
    for (const node of this.#graph.nodes) {
      if (isQ(node) || isDq(node)) continue;
      if (this.#runsOnIntegers(node)) this.#integer.add(node);
      this.#parameters(node);
    }
    const folded = this.#folded();
    const names = this.#graph.nodes.flatMap((node) => {
      if (!this.#integer.has(node)) return [];
      const name = labelOf(node);
      return [name, ...(folded[name] ?? [])];
    });
    return {
      isQuantized: names.length > 0 || this.#learnables.some(({ dtype }) => dtype !== "float32"),
      target: this.model.metadata.get(TARGET_KEY) ?? null,
      quantizedLayerNames: names,
      learnables: this.#learnables,
    };
  }

  #runsOnIntegers(node: Node): boolean {
    if (factsOf(node)?.kind === "integer" || /^QLinear|^Q(Attention)$|^DynamicQuantize(MatMul|LSTM)/.test(node.opType))
      return true;
    const [data] = node.inputs;
    if (data === undefined) return false;
    const before = this.#index.producer(data);
    const { fused, layers, operators, movers, floatOutput } = this.#spec;
    if (fused.has(node.opType) && before && this.#integer.has(before)) return this.#quantizedBehind(node);
    if (layers.has(node.opType) && this.#stored(node.inputs[1] ?? "")) {
      return this.#dequantized(data) && this.#dequantized(node.inputs[1]!);
    }
    // Min and Max have a bound of their own, which needs no encoding.
    const bounded = factsOf(node)?.kind === "arithmetic" && factsOf(node)?.saturates === true;
    if (!bounded && !operators.has(node.opType) && !movers.has(node.opType) && !fused.has(node.opType)) return false;
    // What a mover reads beside its data says where to, and is no operand.
    const inputs = movers.has(node.opType) ? [data] : node.inputs;
    const operands = inputs.filter(
      (input) => input !== "" && this.#isData(input) && !(bounded && this.#constant(input)),
    );
    return (
      operands.length > 0 &&
      operands.every((input) => this.#dequantized(input)) &&
      (floatOutput.has(node.opType) || this.#quantizedBehind(node))
    );
  }

  /** Shapes, axes and other integers beside data are no operands that a pair could lie on. */
  #isData(input: string): boolean {
    const constant = this.#constant(input);
    return constant === undefined || constant.dtype === "float32";
  }

  #quantizedBehind(node: Node): boolean {
    const uses = node.outputs.flatMap((output) => (output === "" ? [] : this.#index.uses(output)));
    const reaches = (reader: Node): boolean =>
      isQ(reader) ||
      (this.#spec.fused.has(reader.opType) && this.#index.uses(reader.outputs[0]!).every((use) => isQ(use.node)));
    return uses.length > 0 && uses.every(({ node: reader }) => reaches(reader));
  }

  #dequantized(value: string): boolean {
    return isDq(this.#index.producer(value)) || isDq(this.#behindMovers(value));
  }

  /** The node that makes a constant operand, seen through what only turns or reshapes it. */
  #behindMovers(value: string): Node | undefined {
    let node = this.#index.producer(value);
    while (node && CARRIERS.includes(factsOf(node)?.kind)) node = this.#index.producer(node.inputs[0]!);
    return node;
  }

  #parameters(node: Node): void {
    const facts = factsOf(node);
    const operands = facts?.kind === "integer" || this.#spec.layers.has(node.opType) ? facts?.macs : undefined;
    const layer = labelOf(node);
    if (!operands) {
      if (!this.#integer.has(node)) return;
      for (const input of node.inputs) this.#add(layer, "Constant", input);
      return;
    }
    const before = this.#learnables.length;
    this.#add(layer, "Weights", node.inputs[operands.weight] ?? "");
    const [weight] = this.#learnables.slice(before);
    // A float layer is none of the quantized ones.
    if (weight?.dtype === "float32") this.#learnables.length = before;
    else if (weight && operands.bias !== undefined) this.#add(layer, "Bias", node.inputs[operands.bias] ?? "");
  }

  #add(layer: string, parameter: LearnableDetails["parameter"], value: string): void {
    const found = this.#stored(value);
    if (!found || (parameter === "Constant" && found.dtype === "float32")) return;
    this.#learnables.push({ layer, parameter, ...found });
  }

  /** A constant's shape and type: its integers', also where the file stores floats in front of a pair. */
  #stored(value: string): { shape: readonly number[]; dtype: string } | undefined {
    const constant = this.#constant(value);
    if (constant) return { shape: constant.dims, dtype: constant.dtype };
    const node = this.#behindMovers(value);
    if (!node || !isDq(node)) return undefined;
    const integers = this.#constant(node.inputs[0]!);
    if (integers) return { shape: integers.dims, dtype: integers.dtype };
    const quantize = this.#index.producer(node.inputs[0]!);
    const floats = quantize && isQ(quantize) ? this.#constant(quantize.inputs[0]!) : undefined;
    if (!floats) return undefined;
    const zero = this.#constant(quantize!.inputs[2] ?? "");
    return { shape: floats.dims, dtype: zero?.dtype ?? "uint8" };
  }

  #constant(value: string): Tensor | undefined {
    const known = this.#graph.initializers.get(value);
    if (known) return known;
    const node = this.#index.producer(value);
    const attribute = node?.opType === "Constant" ? node.attributes.get("value") : undefined;
    return attribute?.type === "tensor" ? attribute.value : undefined;
  }

  #folded(): Readonly<Record<string, readonly string[]>> {
    try {
      const folded: unknown = JSON.parse(this.model.metadata.get(FOLDED_KEY) ?? "{}");
      return typeof folded === "object" && folded !== null ? (folded as Record<string, string[]>) : {};
    } catch {
      return {};
    }
  }
}
