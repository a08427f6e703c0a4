import { ModelError } from "../errors.js";
import {
  attributeOf,
  cloneModel,
  type DType,
  type Graph,
  type GraphIndex,
  indexGraph,
  isOp,
  labelOf,
  type Model,
  type Node,
  removeDead,
  sortNodes,
  Tensor,
  Uses,
} from "../graph/index.js";
import {
  type Encoding,
  encodingFromScale,
  type IntegerDType,
  quantizeValues,
  STORAGE_BITS,
  unpackInt4,
} from "../math/index.js";
import { dequantizeTensor, moveClampsToFloat } from "../quantize/index.js";
import type { Skip } from "../runtime/index.js";

/** A constant that the file stores as integers. */
export interface FileConstant {
  /** Its initializer before quantization, as far as the name tells: what equant and ONNX Runtime append is taken off. */
  readonly stem: string;
  readonly encoding: Encoding;
  readonly data: Tensor;
}

/** What a QDQ file says, whoever wrote it. */
export interface QdqFile {
  /** The network in float operators: without Q/DQ pairs, constants dequantized. Its function is that of the weights alone. */
  readonly skeleton: Model;
  /** By the initializer of the skeleton. */
  readonly constants: ReadonlyMap<string, FileConstant>;
  /** By the value of the skeleton that a pair lies on. */
  readonly activations: ReadonlyMap<string, Encoding>;
  /** Pairs that could not be read, and why. */
  readonly skipped: readonly Skip[];
}

const isQ = (node: Node | undefined): node is Node => node?.opType === "QuantizeLinear";
const isDq = (node: Node | undefined): node is Node => node?.opType === "DequantizeLinear";

/** Forms without pairs: there is nothing between their operators that a float value could be compared with. */
const OTHER_FORMS = /^QLinear|^DynamicQuantize|Integer(ToFloat)?$|^MatMulNBits$|^Q(Gemm|Attention)$/;

/**
 * Reads the encodings of a QDQ file: weights and biases stored as integers (or as float behind a pair), and the pairs on
 * activations. A Clip before QuantizeLinear to fewer levels than the type has is taken for fewer bits. The model is not changed.
 * @throws {ModelError} E4005 the model is not quantized, or in another form than QDQ.
 */
export function readQdq(model: Model): QdqFile {
  const other = model.graph.nodes.find(({ opType }) => OTHER_FORMS.test(opType));
  if (other) {
    throw new ModelError(
      "E4005",
      `match: "${labelOf(other)}" is ${other.opType}, expected Q/DQ pairs around float operators`,
      {
        node: labelOf(other),
        opType: other.opType,
        hint: "quantize statically in the QDQ format (onnxruntime: quant_format=QuantFormat.QDQ)",
      },
    );
  }
  if (!model.graph.nodes.some(isDq)) {
    throw new ModelError("E4005", "match: the model has no DequantizeLinear, it is not quantized", {
      hint: "give the quantized file first, the float one with --against",
    });
  }
  const copy = cloneModel(model);
  moveClampsToFloat(copy);
  return new QdqReader(copy).read();
}

class QdqReader {
  readonly #graph: Graph;
  readonly #index: GraphIndex;
  readonly #constants = new Map<string, FileConstant>();
  readonly #activations = new Map<string, Encoding>();
  readonly #encodings = new Map<string, Encoding>();
  readonly #skipped: Skip[] = [];
  /** What stands for the output of a pair. */
  readonly #alias = new Map<string, string>();

  constructor(readonly model: Model) {
    this.#graph = model.graph;
    this.#index = indexGraph(model.graph);
  }

  read(): QdqFile {
    const pairs = this.#graph.nodes.filter(isDq);
    const gone = new Set<Node>();
    for (const node of pairs) {
      const reason = this.#read(node);
      if (reason === undefined) gone.add(node);
      else this.#skipped.push({ node: labelOf(node), opType: node.opType, reason });
    }
    this.#graph.nodes = this.#graph.nodes.filter((node) => !gone.has(node));
    const uses = new Uses(this.#graph);
    for (const [from, to] of this.#alias) uses.replace(from, to);
    removeDead(this.#graph);
    sortNodes(this.#graph);
    return { skeleton: this.model, constants: this.#constants, activations: this.#activations, skipped: this.#skipped };
  }

  /** Reads one DequantizeLinear; the reason where that is not possible. */
  #read(node: Node): string | undefined {
    const [input, output] = [node.inputs[0]!, node.outputs[0]!];
    const integers = this.#constant(input);
    if (integers) return this.#integerConstant(node, input, integers);
    const quantize = this.#index.producer(input);
    if (!isQ(quantize)) return "what it dequantizes is computed by an integer operator";
    const source = quantize.inputs[0]!;
    const float = this.#constant(source);
    const encoding = this.#encoding(quantize, undefined, float?.dims.length ?? 0);
    if (typeof encoding === "string") return encoding;
    if (float) {
      if (float.dtype !== "float32") return `its constant is ${float.dtype}, expected float32`;
      const values = quantizeValues(float.array() as Float32Array, encoding, { dims: float.dims });
      this.#add(output, source, encoding, Tensor.of(encoding.dtype as DType, float.dims, values));
      return undefined;
    }
    if (encoding.axis !== null) return "an activation with one scale a channel";
    return this.#activation(source, output, encoding);
  }

  #integerConstant(node: Node, input: string, data: Tensor): string | undefined {
    const encoding = this.#encoding(node, data.dtype, data.dims.length);
    if (typeof encoding === "string") return encoding;
    this.#add(node.outputs[0]!, input, encoding, widened(data));
    return undefined;
  }

  #add(output: string, name: string, encoding: Encoding, data: Tensor): void {
    this.#graph.initializers.set(output, dequantizeTensor(data, encoding));
    const stem = name.replace(/_q(uantized)?(_\d+)?$/, "");
    this.#constants.set(output, { stem, encoding: usedBits(encoding, data), data });
  }

  #activation(quantized: string, output: string, encoding: Encoding): undefined {
    const clip = this.#fewerBits(quantized, encoding);
    const source = clip?.value ?? quantized;
    const known = this.#alias.get(source) ?? source;
    let value = known;
    if (this.#index.isOutput(output) && !this.#index.isInput(known)) {
      // The dequantized copy has the name of the graph's output; what it was made of takes that over.
      for (const node of this.#graph.nodes) node.outputs = node.outputs.map((name) => (name === known ? output : name));
      const encoded = this.#activations.get(known);
      this.#activations.delete(known);
      if (encoded) this.#activations.set(output, encoded);
      this.#alias.set(known, output);
      for (const [from, to] of this.#alias) if (to === known) this.#alias.set(from, output);
      value = output;
    } else this.#alias.set(output, known);
    if (!this.#activations.has(value)) this.#activations.set(value, this.#shared(clip?.encoding ?? encoding));
    return undefined;
  }

  /** Values of one group share one object, as in a plan: equal encodings on both sides of a mover or a bound are one. */
  #shared(encoding: Encoding): Encoding {
    const { scale, zeroPoint, dtype, qmin, qmax } = encoding;
    const key = [scale[0], zeroPoint[0], dtype, qmin, qmax].join();
    const known = this.#encodings.get(key) ?? encoding;
    this.#encodings.set(key, known);
    return known;
  }

  /** A Clip before QuantizeLinear to 2^bits levels (or one less): how fewer bits than the stored type has are written. */
  #fewerBits(quantized: string, encoding: Encoding): { value: string; encoding: Encoding } | undefined {
    const clip = this.#index.producer(quantized);
    if (!isOp(clip, "Clip") || this.#index.uses(quantized).some(({ node }) => !isQ(node))) return undefined;
    const bounds = [1, 2].map((at) => this.#constant(clip.inputs[at] ?? "")?.numbers()[0]);
    const [scale, zero] = [encoding.scale[0]!, encoding.zeroPoint[0]!];
    const [qmin, qmax] = bounds.map((bound) => Math.round((bound ?? Number.NaN) / scale) + zero) as [number, number];
    const bits = Math.ceil(Math.log2(qmax - qmin + 1));
    const exact = bounds.every((bound, at) => Math.abs(bound! / scale + zero - [qmin, qmax][at]!) < 1e-3);
    const levels = qmax - qmin + 1;
    if (!exact || !(bits >= 2 && bits < STORAGE_BITS[encoding.dtype]) || levels < 2 ** bits - 1) return undefined;
    const symmetric = zero === qmin + 2 ** bits / 2 || zero === qmin + 2 ** bits / 2 - 1;
    return { value: clip.inputs[0]!, encoding: Object.freeze({ ...encoding, bits, qmin, qmax, symmetric }) };
  }

  /** Encoding of a node's scale and zero point, or why there is none. */
  #encoding(node: Node, dtype: string | undefined, rank: number): Encoding | string {
    const scale = this.#constant(node.inputs[1] ?? "");
    const zero = node.inputs[2] ? this.#constant(node.inputs[2]) : undefined;
    if (!scale || (node.inputs[2] && !zero)) return "its scale or zero point is computed";
    if (scale.dtype !== "float32") return `its scale is ${scale.dtype}, expected float32`;
    if (attributeOf(node, "block_size", "int", 0) !== 0) return "its weights are quantized in blocks";
    const type = dtype ?? zero?.dtype ?? "uint8";
    if (!Object.hasOwn(STORAGE_BITS, type)) return `it is stored as ${type}`;
    const values = scale.numbers();
    const perChannel = scale.dims.length > 0 && scale.size > 1;
    const axis = attributeOf(node, "axis", "int", 1);
    try {
      return encodingFromScale({
        scale: values,
        zeroPoint: zero ? integersOf(zero) : values.map(() => 0),
        dtype: type as IntegerDType,
        axis: perChannel ? (axis < 0 ? axis + rank : axis) : null,
      });
    } catch (error) {
      return `its scale or zero point is no valid one (${(error as Error).message})`;
    }
  }

  #constant(value: string): Tensor | undefined {
    const known = this.#graph.initializers.get(value);
    if (known) return known;
    const node = this.#index.producer(value);
    return isOp(node, "Constant") ? attributeOf(node, "value", "tensor", undefined) : undefined;
  }
}

/** Integers one a number; those of 4 bits lie two to a byte. */
function integersOf(data: Tensor): number[] {
  if (data.dtype === "int4") return Array.from(unpackInt4(data.bytes(), data.size, true));
  if (data.dtype === "uint4") return Array.from(unpackInt4(data.bytes(), data.size, false));
  return data.numbers();
}

/** 4-bit integers one a byte. */
function widened(data: Tensor): Tensor {
  if (data.dtype === "int4") return Tensor.of("int8", data.dims, unpackInt4(data.bytes(), data.size, true));
  if (data.dtype === "uint4") return Tensor.of("uint8", data.dims, unpackInt4(data.bytes(), data.size, false));
  return data;
}

/**
 * The bits that symmetric integers use: a file stores 6-bit weights as int8, and what else could be done with the scale
 * (bounds of equalization, predictions) depends on how many levels there are.
 */
function usedBits(encoding: Encoding, data: Tensor): Encoding {
  if (!encoding.symmetric || encoding.dtype === "int32") return encoding;
  const middle = encoding.zeroPoint[0]!;
  const values = integersOf(data);
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value - middle)), 1);
  if (values.some((value) => value === encoding.qmin)) return encoding;
  const bits = Math.min(encoding.bits, 1 + Math.ceil(Math.log2(largest + 1)));
  const most = 2 ** (bits - 1) - 1;
  return Object.freeze({ ...encoding, bits, qmin: middle - most, qmax: middle + most });
}
