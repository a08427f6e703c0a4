import {
  attributeOf,
  bitsOf,
  type DType,
  dtypeFromCode,
  type Graph,
  type Node,
  sizeOf,
  type Tensor,
} from "../graph/index.js";

type Dims = readonly number[];

/** What a run needs at least, by the sizes that a model declares. */
export interface Demand {
  /** Bytes of the largest value. */
  readonly bytes: number;
  /** Its name; empty where nothing is known. */
  readonly value: string;
  /** Multiplications of convolutions and matrix products, and elements of other outputs. */
  readonly operations: number;
}

/** Elements of an output, and the multiplications each takes. */
interface Made {
  readonly dims: Dims;
  readonly each?: number;
}

/** Reads of an operator what its output's size depends on. */
interface Inputs {
  readonly node: Node;
  dims(position: number): Dims | undefined;
  numbers(position: number): number[] | undefined;
}

const SAME_SHAPE =
  "Abs BatchNormalization Cast Ceil Clip Dropout Elu Erf Exp Floor HardSigmoid HardSwish Identity InstanceNormalization " +
  "LayerNormalization LeakyRelu Log LogSoftmax LRN Neg PRelu Reciprocal Relu Round Selu Sigmoid Sign Softmax Softplus " +
  "Softsign Sqrt Tanh QuantizeLinear DequantizeLinear";
const BROADCASTS = "Add Sub Mul Div Pow Max Min Mean Sum Where Equal Greater Less And Or";
const WINDOWS = "Conv ConvInteger QLinearConv MaxPool AveragePool LpPool";

const RULES: ReadonlyMap<string, (inputs: Inputs) => Made | undefined> = new Map([
  ...SAME_SHAPE.split(" ").map((opType) => [opType, ({ dims }: Inputs) => made(dims(0))] as const),
  ...BROADCASTS.split(" ").map((opType) => [opType, broadcast] as const),
  ...WINDOWS.split(" ").map((opType) => [opType, window] as const),
  ["ConvTranspose", transposedWindow],
  ["Gemm", gemm],
  ["MatMul", matMul],
  ["Pad", pad],
  ["Resize", resize],
  ["Upsample", resize],
  ["ConstantOfShape", ({ numbers }) => made(numbers(0))],
  ["Expand", expand],
  ["Tile", ({ dims, numbers }) => scaled(dims(0), numbers(1))],
  ["Range", range],
  ["OneHot", ({ dims, numbers }) => made(dims(0) && [...dims(0)!, numbers(1)?.[0] ?? 1])],
]);

/**
 * Largest value and operations of one run, following the sizes of inputs, weights and constants through the operators that
 * make large things of small ones. Where a size is not known, nothing is counted behind it: a floor, not an estimate.
 * @param fed sizes of the inputs of this run; without them those that the model declares, and 1 where it declares none.
 */
export function demandOf(graph: Graph, fed?: Readonly<Record<string, Dims>>): Demand {
  const known = new Map<string, Dims>();
  const constants = new Map<string, Tensor>(graph.initializers);
  const dtypes = new Map<string, DType | undefined>();
  let [largest, operations] = [{ bytes: 0, value: "" }, 0];
  const note = (value: string, dims: Dims) => {
    known.set(value, dims);
    const bytes = (sizeOf(dims) * (bitsOf(dtypes.get(value) ?? "float32") ?? 32)) / 8;
    if (bytes > largest.bytes) largest = { bytes, value };
  };
  for (const { name, dtype, shape } of graph.inputs) {
    dtypes.set(name, dtype);
    const declared = shape?.map((dim) => (typeof dim === "number" && dim > 0 ? dim : 1));
    const dims = fed && Object.hasOwn(fed, name) ? fed[name] : declared;
    if (dims && !constants.has(name)) note(name, dims);
  }
  for (const node of graph.nodes) {
    const output = node.outputs[0] ?? "";
    if (node.opType === "Constant") {
      const tensor = attributeOf(node, "value", "tensor", undefined);
      if (tensor) constants.set(output, tensor);
    }
    const made = node.domain === "" ? RULES.get(node.opType)?.(inputsOf(node, known, constants)) : undefined;
    if (output === "" || !made || !made.dims.every((size) => size >= 0)) continue;
    const to =
      node.opType === "Cast" ? dtypeFromCode(attributeOf(node, "to", "int", 0)) : dtypes.get(node.inputs[0] ?? "");
    dtypes.set(output, to);
    note(output, made.dims);
    operations += sizeOf(made.dims) * (made.each ?? 1);
  }
  return { ...largest, operations };
}

function inputsOf(node: Node, known: ReadonlyMap<string, Dims>, constants: ReadonlyMap<string, Tensor>): Inputs {
  const name = (position: number) => node.inputs[position] ?? "";
  return {
    node,
    dims: (position) => known.get(name(position)) ?? constants.get(name(position))?.dims,
    numbers(position) {
      const tensor = constants.get(name(position));
      // Sizes, scales and amounts have one number an axis.
      return tensor && tensor.size > 0 && tensor.size <= 64 && tensor.dtype !== "string" ? tensor.numbers() : undefined;
    },
  };
}

function made(dims: Dims | undefined, each = 1): Made | undefined {
  return dims && { dims, each };
}

function broadcast({ node, dims }: Inputs): Made | undefined {
  const all = node.inputs.map((_, position) => dims(position));
  const rank = Math.max(0, ...all.map((one) => one?.length ?? 0));
  if (!all.every((one) => one !== undefined)) return undefined;
  return made(
    Array.from({ length: rank }, (_, axis) => Math.max(...all.map((one) => one[axis - (rank - one.length)] ?? 1))),
  );
}

/** Amounts of padding on each axis together; SAME_* keep the size at stride 1. */
function padding(node: Node, axis: number, rank: number, covered: number): number {
  const auto = attributeOf(node, "auto_pad", "string", "NOTSET");
  if (auto.startsWith("SAME")) return covered - 1;
  const pads = attributeOf(node, "pads", "ints", []);
  return (pads[axis] ?? 0) + (pads[axis + rank] ?? 0);
}

function window({ node, dims }: Inputs): Made | undefined {
  const [data, isPool] = [dims(0), node.opType.endsWith("Pool")];
  const weight = isPool ? undefined : dims(node.opType === "QLinearConv" ? 3 : 1);
  const kernel = attributeOf(node, "kernel_shape", "ints", undefined) ?? weight?.slice(2);
  if (!data || !kernel || data.length !== kernel.length + 2 || !(isPool || weight)) return undefined;
  const spatial = kernel.map((size, axis) => {
    const covered = (size - 1) * (attributeOf(node, "dilations", "ints", [])[axis] ?? 1) + 1;
    const stride = attributeOf(node, "strides", "ints", [])[axis] ?? 1;
    return Math.floor((data[axis + 2]! + padding(node, axis, kernel.length, covered) - covered) / stride) + 1;
  });
  return made([data[0]!, weight?.[0] ?? data[1]!, ...spatial], sizeOf(weight?.slice(1) ?? kernel));
}

function transposedWindow({ node, dims }: Inputs): Made | undefined {
  const [data, weight] = [dims(0), dims(1)];
  if (!data || !weight || data.length !== weight.length) return undefined;
  const kernel = weight.slice(2);
  const spatial = kernel.map((size, axis) => {
    const covered = (size - 1) * (attributeOf(node, "dilations", "ints", [])[axis] ?? 1) + 1;
    const stride = attributeOf(node, "strides", "ints", [])[axis] ?? 1;
    const extra = attributeOf(node, "output_padding", "ints", [])[axis] ?? 0;
    return stride * (data[axis + 2]! - 1) + extra + covered - padding(node, axis, kernel.length, covered);
  });
  return made([data[0]!, weight[1]! * attributeOf(node, "group", "int", 1), ...spatial], sizeOf(kernel));
}

function gemm({ node, dims }: Inputs): Made | undefined {
  const [a, b] = [dims(0), dims(1)];
  if (a?.length !== 2 || b?.length !== 2) return undefined;
  const [transA, transB] = ["transA", "transB"].map((name) => attributeOf(node, name, "int", 0) !== 0);
  return made([a[transA ? 1 : 0]!, b[transB ? 0 : 1]!], a[transA ? 0 : 1]);
}

function matMul({ dims }: Inputs): Made | undefined {
  const [a, b] = [dims(0), dims(1)];
  if (!a || !b || a.length < 2 || b.length < 2) return undefined;
  const outer = a.length >= b.length ? a.slice(0, -2) : b.slice(0, -2);
  return made([...outer, a.at(-2)!, b.at(-1)!], a.at(-1));
}

function pad({ node, dims, numbers }: Inputs): Made | undefined {
  const data = dims(0);
  const pads = attributeOf(node, "pads", "ints", undefined) ?? numbers(1);
  return made(data && pads && data.map((size, axis) => size + (pads[axis] ?? 0) + (pads[axis + data.length] ?? 0)));
}

function resize({ node, dims, numbers }: Inputs): Made | undefined {
  // Upsample and Resize 10: X, scales. Resize 11 and newer: X, roi, scales, sizes.
  const scales = attributeOf(node, "scales", "floats", undefined) ?? numbers(node.inputs.length > 2 ? 2 : 1);
  const sizes = numbers(3);
  return sizes ? made(sizes) : scaled(dims(0), scales);
}

function scaled(dims: Dims | undefined, factors: Dims | undefined): Made | undefined {
  if (dims?.length !== factors?.length) return undefined;
  return made(dims?.map((size, axis) => Math.floor(size * factors![axis]!)));
}

function expand({ dims, numbers }: Inputs): Made | undefined {
  const [data, shape] = [dims(0), numbers(1)];
  if (!data || !shape) return undefined;
  const rank = Math.max(data.length, shape.length);
  const at = (sizes: Dims, axis: number) => sizes[axis - (rank - sizes.length)] ?? 1;
  return made(Array.from({ length: rank }, (_, axis) => Math.max(at(data, axis), at(shape, axis))));
}

function range({ numbers }: Inputs): Made | undefined {
  const [start, limit, delta] = [0, 1, 2].map((position) => numbers(position)?.[0]);
  if (start === undefined || limit === undefined || !delta) return undefined;
  return made([Math.max(0, Math.ceil((limit - start) / delta))]);
}
