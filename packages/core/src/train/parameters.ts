import { type Graph, isOp, type Node } from "../graph/index.js";

/** Inputs that hold learnable tensors, by operator; running statistics, bounds and scales are not learned. */
const LEARNED_INPUTS: ReadonlyMap<string, readonly number[]> = new Map(
  Object.entries<readonly number[]>({
    Conv: [1, 2],
    ConvTranspose: [1, 2],
    Gemm: [0, 1, 2],
    MatMul: [0, 1],
    BatchNormalization: [1, 2],
    InstanceNormalization: [1, 2],
    LayerNormalization: [1, 2],
    PRelu: [1],
  }),
);

/** What a learnable tensor is to its node. */
export type ParameterKind = "weight" | "bias";

export interface Parameter {
  readonly name: string;
  readonly kind: ParameterKind;
  readonly node: Node;
}

/**
 * Learnable tensors of a graph in node order: float32 initializers that are weights or biases of Conv, ConvTranspose,
 * Gemm, MatMul, normalizations and PRelu, and vectors added right behind a MatMul. Constants of other operators are not.
 */
export function learnableParameters(graph: Graph): Parameter[] {
  const found = new Map<string, Parameter>();
  const products = new Set<string>();
  for (const node of graph.nodes) {
    if (isOp(node, "MatMul")) products.add(node.outputs[0]!);
    const isBiasAdd = isOp(node, "Add") && node.inputs.some((value) => products.has(value));
    const positions = isBiasAdd ? [0, 1] : node.domain === "" ? (LEARNED_INPUTS.get(node.opType) ?? []) : [];
    for (const position of positions) {
      const name = node.inputs[position] ?? "";
      if (found.has(name) || graph.initializers.get(name)?.dtype !== "float32") continue;
      const kind = isBiasAdd || position === 2 ? "bias" : "weight";
      found.set(name, { name, kind, node });
    }
  }
  return [...found.values()];
}
