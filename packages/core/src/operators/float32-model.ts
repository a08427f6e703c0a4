import type { DType } from "../graph/dtype.js";
import {
  attributeOf,
  cloneModel,
  createNode,
  DTYPE_CODES,
  dtypeFromCode,
  type Graph,
  int,
  type Model,
  NameAllocator,
  type Node,
  replaceUses,
  sortNodes,
  subgraphsOf,
  Tensor,
  tensor as tensorAttribute,
  tensorsOf,
  type ValueInfo,
} from "../graph/index.js";
import { bfloat16ToFloat32, float16ToFloat32 } from "../math/index.js";
import { linearLayers } from "./linear-layer.js";

/** Values of the other float types as float32; exact for the half ones. */
const WIDEN: Partial<Record<DType, (values: Tensor) => Float32Array>> = {
  float16: (values) => float16ToFloat32(values.array() as Uint16Array),
  bfloat16: (values) => bfloat16ToFloat32(values.array() as Uint16Array),
  float64: (values) => Float32Array.from(values.array() as Float64Array),
};

const isOther = (dtype: DType | undefined): dtype is DType => dtype !== undefined && WIDEN[dtype] !== undefined;

/** The float type of a model's layers, where no layer has float32 weights and some have others; undefined otherwise. */
export function otherFloatType({ graph }: Model): DType | undefined {
  const types = linearLayers(graph).map(({ tensor }) => tensor.dtype);
  return types.includes("float32") ? undefined : types.find(isOther);
}

/**
 * Makes a network of half or double precision compute in float32, which statistics and integers are made of: constants, casts
 * and declared types, bodies included. Inputs and outputs stay as callers feed and read them, with a Cast behind and before them;
 * those in bfloat16, which neither JavaScript nor the kernels of ONNX Runtime's CPU have, become float32. In place.
 *
 * Returns the types that it replaced; none where the model was float32 all along.
 */
export function toFloat32(model: Model): ReadonlySet<DType> {
  const found = new Set<DType>();
  widenGraph(model.graph, found);
  if (found.size > 0) castEnds(model.graph);
  return found;
}

/** The model in a form that ONNX Runtime runs on any processor: itself, or a float32 copy of one that computes in bfloat16. */
export function runnableForm(model: Model): Model {
  if (!usesBfloat16(model)) return model;
  const copy = cloneModel(model);
  toFloat32(copy);
  return copy;
}

function usesBfloat16(model: Model): boolean {
  if ([...model.graph.inputs, ...model.graph.outputs].some(({ dtype }) => dtype === "bfloat16")) return true;
  for (const { tensor } of tensorsOf(model)) if (tensor.dtype === "bfloat16") return true;
  return false;
}

function widenGraph(graph: Graph, found: Set<DType>): void {
  for (const [name, value] of graph.initializers) {
    if (isOther(value.dtype)) graph.initializers.set(name, widened(value, found));
  }
  for (const node of graph.nodes) {
    widenNode(node, found);
    for (const body of subgraphsOf(node)) {
      widenGraph(body, found);
      body.inputs = body.inputs.map((info) => typed(info, found));
      body.outputs = body.outputs.map((info) => typed(info, found));
    }
  }
  for (const [name, info] of graph.valueInfos) graph.valueInfos.set(name, typed(info, found));
  for (const { dtype } of [...graph.inputs, ...graph.outputs]) if (isOther(dtype)) found.add(dtype);
}

/** What an operator writes into a node of the types it makes. */
function widenNode(node: Node, found: Set<DType>): void {
  if (node.domain !== "") return;
  for (const name of ["to", "dtype"]) {
    if (node.attributes.get(name)?.type !== "int") continue;
    const type = dtypeFromCode(attributeOf(node, name, "int", 0));
    if (!isOther(type)) continue;
    found.add(type);
    node.attributes.set(name, int(DTYPE_CODES.float32));
  }
  for (const [name, attribute] of node.attributes) {
    if (attribute.type === "tensor" && isOther(attribute.value.dtype))
      node.attributes.set(name, tensorAttribute(widened(attribute.value, found)));
  }
}

function widened(value: Tensor, found: Set<DType>): Tensor {
  found.add(value.dtype);
  return Tensor.float32(value.dims, WIDEN[value.dtype]!(value));
}

function typed(info: ValueInfo, found: Set<DType>): ValueInfo {
  if (isOther(info.dtype)) found.add(info.dtype);
  return asFloat32(info);
}

/** A value of another float type as one of float32. */
export function asFloat32(info: ValueInfo): ValueInfo {
  return isOther(info.dtype) ? { ...info, dtype: "float32" } : info;
}

/** Inputs and outputs of another type than is computed with: that of callers, where JavaScript has it. */
function castEnds(graph: Graph): void {
  const own = (info: ValueInfo) => (info.dtype === "bfloat16" ? asFloat32(info) : info);
  graph.inputs = graph.inputs.map((info) => (graph.initializers.has(info.name) ? asFloat32(info) : own(info)));
  graph.outputs = graph.outputs.map(own);
  castBetween(graph, new NameAllocator(graph), isOther, "float32");
  sortNodes(graph);
}

/**
 * Inputs and outputs whose type is `outside` keep it, with a Cast behind and before them: the network between computes in `inside`.
 * Inputs with a default and outputs that are inputs are left alone. Nodes are not sorted.
 */
export function castBetween(
  graph: Graph,
  names: NameAllocator,
  outside: (dtype: DType | undefined) => dtype is DType,
  inside: DType,
): void {
  const cast = (from: string, to: string, dtype: DType) =>
    graph.nodes.push(
      createNode({ opType: "Cast", inputs: [from], outputs: [to], attributes: { to: int(DTYPE_CODES[dtype]) } }),
    );
  for (const { name, dtype } of graph.inputs) {
    if (!outside(dtype) || graph.initializers.has(name)) continue;
    const between = names.allocate(`${name}_${inside}`);
    replaceUses(graph, name, between);
    cast(name, between, inside);
  }
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  for (const { name, dtype } of graph.outputs) {
    if (!outside(dtype) || inputs.has(name)) continue;
    const between = names.allocate(`${name}_${inside}`);
    const maker = graph.nodes.find((node) => node.outputs.includes(name));
    if (maker) maker.outputs = maker.outputs.map((output) => (output === name ? between : output));
    replaceUses(graph, name, between);
    const constant = graph.initializers.get(name);
    if (constant) {
      graph.initializers.delete(name);
      graph.initializers.set(between, constant);
    }
    cast(between, name, dtype);
  }
}
