import { DIFFERENTIABLE_OPERATORS } from "../gradient/index.js";
import { type Graph, isOp, type Node } from "../graph/index.js";
import { factsOf } from "../operators/facts.js";

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
    const positions = isBiasAdd ? [0, 1] : learnedInputs(node);
    for (const position of positions) {
      const name = node.inputs[position] ?? "";
      if (found.has(name) || graph.initializers.get(name)?.dtype !== "float32") continue;
      const kind = isBiasAdd || position === 2 ? "bias" : "weight";
      found.set(name, { name, kind, node });
    }
  }
  return [...found.values()];
}

/** Of arithmetic and embeddings constants are not learned: they may be part of the formula. */
function learnedInputs(node: Node): readonly number[] {
  const facts = factsOf(node);
  if (!facts?.learned || !DIFFERENTIABLE_OPERATORS.includes(node.opType)) return [];
  return facts.kind === "arithmetic" || facts.kind === "select" ? [] : facts.learned;
}
