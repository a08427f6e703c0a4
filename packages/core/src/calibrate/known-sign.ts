import { type Graph, type GraphIndex, isOp, type Node } from "../graph/index.js";

const ALWAYS = ["Relu", "Sigmoid", "Softmax", "Softplus", "HardSigmoid", "Abs", "Exp", "Sqrt"];
const WHEN_INPUTS_ARE = [
  "MaxPool",
  "AveragePool",
  "GlobalAveragePool",
  "GlobalMaxPool",
  "Flatten",
  "Reshape",
  "Transpose",
  "Squeeze",
  "Unsqueeze",
  "Slice",
  "Identity",
  "Dropout",
  "Concat",
  "Add",
  "Mul",
  "Max",
  "Min",
];

/**
 * True when the value cannot be negative whatever the input, so that its minimum need not be measured:
 * the range of an encoding contains 0 in any case.
 */
export function isNonNegative(graph: Graph, index: GraphIndex, value: string, depth = 32): boolean {
  const tensor = graph.initializers.get(value);
  if (tensor) return tensor.dtype === "float32" && (tensor.array() as Float32Array).every((x) => x >= 0);
  const node = index.producer(value);
  if (!node || node.domain !== "" || depth === 0) return false;
  if (isOp(node, ...ALWAYS)) return true;
  if (node.opType === "Clip") return lowerBound(graph, node) >= 0;
  if (!isOp(node, ...WHEN_INPUTS_ARE)) return false;
  const movesOneInput = !isOp(node, "Concat", "Add", "Mul", "Max", "Min");
  const inputs: readonly string[] = movesOneInput ? node.inputs.slice(0, 1) : node.inputs;
  return inputs.every((input) => isNonNegative(graph, index, input, depth - 1));
}

function lowerBound(graph: Graph, clip: Node): number {
  const attribute = clip.attributes.get("min");
  if (attribute?.type === "float") return attribute.value;
  return graph.initializers.get(clip.inputs[1] ?? "")?.numbers()[0] ?? Number.NEGATIVE_INFINITY;
}
