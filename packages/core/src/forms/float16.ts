import type { DType } from "../graph/dtype.js";
import {
  attributeOf,
  createNode,
  DTYPE_CODES,
  type Graph,
  int,
  type Model,
  NameAllocator,
  type Node,
  sortNodes,
  subgraphsOf,
  Tensor,
  tensor as tensorAttribute,
  type ValueInfo,
} from "../graph/index.js";
import { float32ToFloat16 } from "../math/index.js";
import { castBetween } from "../operators/float32-model.js";
import { type FloatPorts, factsOf } from "../operators/index.js";

/** Largest finite number of 16 bits. */
const LARGEST = 65504;
/** Smaller magnitudes than this become it: what is added against a division by zero must not vanish. */
const SMALLEST = 2 ** -23;

/** Options of {@link toFloat16}. */
export interface Float16Options {
  /** Inputs and outputs stay float32, with a Cast behind and before them. Default: true. */
  readonly keepInputsOutputs?: boolean;
  /** Nodes that compute in float32, with which of their inputs and outputs are floats. Default: those that know no float16. */
  readonly float32Nodes?: ReadonlyMap<Node, FloatPorts>;
}

/** What {@link toFloat16} did. */
export interface Float16Report {
  /** Constants with values beyond ±65504, which were cut off there: masks, mostly. */
  readonly cut: readonly string[];
}

const FLOAT32 = DTYPE_CODES.float32;
const FLOAT16 = DTYPE_CODES.float16;

/** Makes a float32 network compute in float16: constants, casts and declared types, bodies of If and Loop included. */
export function toFloat16(model: Model, options: Float16Options = {}): Float16Report {
  const { keepInputsOutputs = true, float32Nodes = new Map() } = options;
  const cut: string[] = [];
  convertGraph(model.graph, keepInputsOutputs, float32Nodes, cut);
  return { cut };
}

function convertGraph(graph: Graph, keepEnds: boolean, kept: ReadonlyMap<Node, FloatPorts>, cut: string[]): void {
  const names = new NameAllocator(graph);
  const untouched = new Set<Node>();
  const float32Constants = new Set<string>();
  for (const node of [...graph.nodes]) {
    const ports = kept.get(node) ?? factsOf(node)?.float32;
    if (ports) surround(graph, names, node, ports, untouched, float32Constants);
  }
  for (const [name, value] of graph.initializers) {
    if (value.dtype === "float32" && !float32Constants.has(name))
      graph.initializers.set(name, halved(value, name, cut));
  }
  for (const node of graph.nodes) {
    if (!untouched.has(node)) convertNode(node, cut);
    for (const body of subgraphsOf(node)) convertGraph(body, false, kept, cut);
  }
  for (const [name, info] of graph.valueInfos) graph.valueInfos.set(name, typed(info));
  if (keepEnds) castBetween(graph, names, isFloat32, "float16");
  else {
    graph.inputs = graph.inputs.map(typed);
    graph.outputs = graph.outputs.map(typed);
  }
  sortNodes(graph);
}

const isFloat32 = (dtype: DType | undefined): dtype is DType => dtype === "float32";

const typed = (info: ValueInfo): ValueInfo => (info.dtype === "float32" ? { ...info, dtype: "float16" } : info);

const cast = (from: string, to: string, code: number) =>
  createNode({ opType: "Cast", inputs: [from], outputs: [to], attributes: { to: int(code) } });

/** Casts around the ports of a node that stay float32; constants that it reads are kept as they are. */
function surround(
  graph: Graph,
  names: NameAllocator,
  node: Node,
  { inputs, outputs }: FloatPorts,
  untouched: Set<Node>,
  constants: Set<string>,
): void {
  for (const port of inputs) {
    const value = node.inputs[port] ?? "";
    if (value === "") continue;
    const own = graph.initializers.get(value);
    const name = names.allocate(`${value}_float32`);
    node.inputs[port] = name;
    if (own) {
      graph.initializers.set(name, own);
      constants.add(name);
      continue;
    }
    const before = cast(value, name, FLOAT32);
    graph.nodes.push(before);
    untouched.add(before);
  }
  for (const port of outputs) {
    const value = node.outputs[port] ?? "";
    if (value === "") continue;
    const name = names.allocate(`${value}_float32`);
    node.outputs[port] = name;
    graph.nodes.push(cast(name, value, FLOAT16));
  }
}

/** What an operator writes into a node of the type of its output. */
function convertNode(node: Node, cut: string[]): void {
  if (node.domain !== "") return;
  const { attributes, opType } = node;
  if (opType === "Cast" && attributeOf(node, "to", "int", 0) === FLOAT32) attributes.set("to", int(FLOAT16));
  if (attributeOf(node, "dtype", "int", 0) === FLOAT32 && attributes.get("dtype")?.type === "int") {
    attributes.set("dtype", int(FLOAT16));
  }
  if (opType === "Constant") convertConstant(node);
  if (opType === "ConstantOfShape" && !attributes.has("value")) {
    attributes.set("value", tensorAttribute(Tensor.float32([1], [0])));
  }
  for (const [name, attribute] of attributes) {
    if (attribute.type !== "tensor" || attribute.value.dtype !== "float32") continue;
    attributes.set(name, tensorAttribute(halved(attribute.value, `${node.name}.${name}`, cut)));
  }
}

/** Numbers that a Constant holds in another way than as a tensor are float32 by definition. */
function convertConstant(node: Node): void {
  for (const name of ["value_float", "value_floats"]) {
    const attribute = node.attributes.get(name);
    if (attribute?.type !== "float" && attribute?.type !== "floats") continue;
    const values = attribute.type === "float" ? [attribute.value] : attribute.value;
    const dims = attribute.type === "float" ? [] : [values.length];
    node.attributes.delete(name);
    node.attributes.set("value", tensorAttribute(Tensor.float32(dims, values)));
  }
}

/** float32 → float16 with finite numbers kept finite and others than 0 kept others than 0. */
function halved(value: Tensor, name: string, cut: string[]): Tensor {
  const numbers = (value.array() as Float32Array).slice();
  let beyond = false;
  for (let i = 0; i < numbers.length; i++) {
    const magnitude = Math.abs(numbers[i]!);
    if (magnitude > LARGEST && magnitude < Number.POSITIVE_INFINITY) {
      numbers[i] = Math.sign(numbers[i]!) * LARGEST;
      beyond = true;
    } else if (magnitude > 0 && magnitude < SMALLEST) numbers[i] = Math.sign(numbers[i]!) * SMALLEST;
  }
  if (beyond) cut.push(name);
  return Tensor.of("float16", value.dims, float32ToFloat16(numbers));
}
