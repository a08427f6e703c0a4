import { attributeOf, type Graph, isOp, type Model, type Node, subgraphsOf, type Tensor } from "../graph/index.js";

/** Numbers a node has learned. */
export interface NodeParameters {
  /** Elements of weights and biases. */
  readonly parameters: number;
  /** Elements of running means and variances. */
  readonly statistics: number;
  /** Bytes of both, as stored. */
  readonly bytes: number;
}

export interface ParameterCount {
  /** Weights and biases, scale and bias of normalizations: what training changes. Each tensor counts once. */
  readonly parameters: number;
  /** With the running mean and variance of BatchNormalization. */
  readonly parametersWithStatistics: number;
  /** By node, subgraphs included; a tensor that several nodes read belongs to the first. */
  readonly byNode: ReadonlyMap<Node, NodeParameters>;
}

/** Positions of learned inputs, by operator. Other constants (bounds, shapes, amounts, scales of Resize) are not learned. */
const LEARNED: ReadonlyMap<string, readonly number[]> = new Map(
  Object.entries<readonly number[]>({
    Conv: [1, 2],
    ConvTranspose: [1, 2],
    Gemm: [0, 1, 2],
    MatMul: [0, 1],
    BatchNormalization: [1, 2],
    InstanceNormalization: [1, 2],
    LayerNormalization: [1, 2],
    GroupNormalization: [1, 2],
    PRelu: [1],
    LSTM: [1, 2, 3, 7],
    GRU: [1, 2, 3],
    RNN: [1, 2, 3],
    Gather: [0],
    Add: [0, 1],
    Sub: [0, 1],
    Mul: [0, 1],
    Div: [0, 1],
    QLinearConv: [3, 8],
    QLinearMatMul: [0, 3],
    ConvInteger: [1],
    MatMulInteger: [0, 1],
    "com.microsoft:FusedConv": [1, 2],
    "com.microsoft:FusedGemm": [0, 1, 2],
    "com.microsoft:FusedMatMul": [0, 1],
    "com.microsoft:QGemm": [0, 3, 6],
  }),
);

/** Of these a single number (x · 0.5, x + 3) belongs to the formula, not to what was learned. */
const ELEMENTWISE = ["Add", "Sub", "Mul", "Div"];
/** What may stand between a stored weight and the node that uses it. */
const CARRIERS = [
  "Identity",
  "Cast",
  "Transpose",
  "Reshape",
  "Squeeze",
  "Unsqueeze",
  "QuantizeLinear",
  "DequantizeLinear",
];
const REAL = ["float32", "float64", "float16", "bfloat16"];

/** The constant behind a value: an initializer or the output of a Constant node, also through what carries it. */
export interface StoredConstant {
  readonly name: string;
  readonly tensor: Tensor;
  /** False where it was dequantized on the way: then integers are weights too. */
  readonly direct: boolean;
}

export type ConstantLookup = (value: string) => StoredConstant | undefined;

/** Finds the constants of a graph; `outer` finds those of the graph around it. */
export function constantLookup(graph: Graph, outer: ConstantLookup = () => undefined): ConstantLookup {
  const producers = new Map<string, Node>();
  for (const node of graph.nodes) for (const output of node.outputs) producers.set(output, node);
  return function lookup(value) {
    let direct = true;
    // As many steps as a chain of carriers can have: a cycle ends here.
    for (let at = value, steps = 0; steps < 20; steps++) {
      const tensor = graph.initializers.get(at);
      if (tensor) return { name: at, tensor, direct };
      const node = producers.get(at);
      if (!node) return outer(at);
      if (isOp(node, "Constant")) {
        const stored = attributeOf(node, "value", "tensor", undefined);
        return stored && { name: at, tensor: stored, direct };
      }
      if (!CARRIERS.includes(node.opType)) return undefined;
      if (node.opType === "DequantizeLinear") direct = false;
      at = node.inputs[0] ?? "";
    }
    return undefined;
  };
}

/** Counts what a model has learned. */
export function countParameters(model: Model): ParameterCount {
  const byNode = new Map<Node, NodeParameters>();
  const seen = new Set<Tensor>();
  const visit = (graph: Graph, outer?: ConstantLookup) => {
    const lookup = constantLookup(graph, outer);
    for (const node of graph.nodes) {
      const own = countNode(node, lookup, seen);
      if (own.bytes > 0) byNode.set(node, own);
      for (const inner of subgraphsOf(node)) visit(inner, lookup);
    }
  };
  visit(model.graph);
  let [parameters, statistics] = [0, 0];
  for (const own of byNode.values()) {
    parameters += own.parameters;
    statistics += own.statistics;
  }
  return { parameters, parametersWithStatistics: parameters + statistics, byNode };
}

function countNode(node: Node, lookup: ConstantLookup, seen: Set<Tensor>): NodeParameters {
  let [parameters, statistics, bytes] = [0, 0, 0];
  const take = (position: number): number => {
    const found = lookup(node.inputs[position] ?? "");
    if (!found || seen.has(found.tensor) || !isLearned(node, found)) return 0;
    seen.add(found.tensor);
    bytes += found.tensor.byteLength ?? 0;
    return found.tensor.size;
  };
  for (const position of LEARNED.get(node.domain === "" ? node.opType : `${node.domain}:${node.opType}`) ?? []) {
    parameters += take(position);
  }
  if (isOp(node, "BatchNormalization")) statistics = take(3) + take(4);
  return { parameters, statistics, bytes };
}

function isLearned(node: Node, { tensor, direct }: StoredConstant): boolean {
  if (ELEMENTWISE.includes(node.opType)) return tensor.size > 1 && REAL.includes(tensor.dtype);
  // A table of indices is no embedding.
  return node.opType !== "Gather" || !direct || REAL.includes(tensor.dtype);
}
