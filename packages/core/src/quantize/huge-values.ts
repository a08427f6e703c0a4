import type { Calibration } from "../calibrate/index.js";
import { type Graph, indexGraph, isOp, type Node, type Tensor } from "../graph/index.js";

/** Constants from this magnitude on are meant as infinite: −3.4e38 and −∞ in masks and before MaxPool. */
const INFINITE = 1e30;

/**
 * Above this ratio of an operator's output range to that of an operand, 8 bits keep nothing of the operand: less than one step of 255.
 */
const DROWNED = 256;

/** Operators whose output has what their inputs have: a huge constant that goes in comes out. */
const CARRIERS = [
  ...["Add", "Sub", "Mul", "Where", "Concat", "Pad", "Expand", "Reshape", "Transpose", "Slice", "Squeeze", "Unsqueeze"],
  ...[
    "Cast",
    "Gather",
    "Identity",
    "Tile",
    "Neg",
    "Trilu",
    "Split",
    "Flatten",
    "Dropout",
    "ConstantOfShape",
    "Constant",
  ],
  ...["ScatterND", "ScatterElements"],
];

/** Layers: what comes out of them is the network's own. */
const LAYERS = ["Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN", "Attention", "Einsum"];

function holdsInfinite(tensor: Tensor | undefined): boolean {
  if (tensor?.dtype !== "float32" && tensor?.dtype !== "float64" && tensor?.dtype !== "float16") return false;
  return tensor.numbers().some((value) => Math.abs(value) >= INFINITE);
}

/** Values that hold constants meant as infinite, up to where an operator takes them in (Softmax, MaxPool, Max …). */
export function infiniteValues({ nodes, initializers }: Graph): Set<string> {
  const found = new Set<string>();
  for (const [name, tensor] of initializers) if (holdsInfinite(tensor)) found.add(name);
  // Constants that Clip and the like bound by are no values that go on; the order of the nodes may be any.
  for (let size = -1; size !== found.size; ) {
    size = found.size;
    for (const node of nodes) {
      if (!isOp(node, ...CARRIERS)) continue;
      const value = node.attributes.get("value");
      const own = value?.type === "tensor" && holdsInfinite(value.value);
      if (own || node.inputs.some((input) => found.has(input))) for (const output of node.outputs) found.add(output);
    }
  }
  return found;
}

/** Nodes that make or read one of `values`, with the reason why they stay in float. */
export function nodesAround(
  { nodes, initializers }: Graph,
  values: ReadonlySet<string>,
  reason: string,
): Map<Node, string> {
  const touched = (names: readonly string[]) => names.some((name) => values.has(name));
  const read = (node: Node) => {
    // A bound of a Clip may be as large as floats get; an infinite weight of a layer is damage, which is refused where it is read.
    if (isOp(node, "Clip")) return [node.inputs[0]!];
    return isOp(node, ...LAYERS) ? node.inputs.filter((input) => !initializers.has(input)) : node.inputs;
  };
  const around = nodes.filter((node) => touched(node.outputs) || touched(read(node)));
  return new Map(around.map((node) => [node, reason]));
}

export const INFINITE_REASON = "it carries a constant meant as infinite, which no integer can hold beside the rest";
export const DROWNED_REASON = "it adds a mask so large that 8 bits would keep nothing of what is masked";

/**
 * Values behind an Add, Sub or Where that puts a mask over what layers computed, where the mask is so large that an encoding for both keeps
 * nothing of the other: −1e4 and −1e9 do that as well as −∞ does. What adds such a mask is known by where it comes from, no layer, and
 * by what it does to the range.
 */
export function drownedValues(graph: Graph, calibration: Calibration): Set<string> {
  const index = indexGraph(graph);
  const learned = new Set<string>();
  const range = (value: string) => {
    const statistics = calibration.values.get(value);
    return statistics && Math.max(statistics.max, 0) - Math.min(statistics.min, 0);
  };
  const found = new Set<string>();
  for (const node of graph.nodes) {
    if (isOp(node, ...LAYERS) || node.inputs.some((input) => learned.has(input)))
      for (const output of node.outputs) learned.add(output);
    const [output] = node.outputs;
    if (node.inputs.some((input) => found.has(input)) && isOp(node, ...CARRIERS)) {
      for (const own of node.outputs) found.add(own);
      continue;
    }
    if (!isOp(node, "Add", "Sub", "Where")) continue;
    const operands = isOp(node, "Where") ? node.inputs.slice(1) : node.inputs;
    const data = operands.filter((input) => learned.has(input));
    const masks = operands.filter((input) => !learned.has(input));
    if (data.length === 0 || masks.length === 0) continue;
    const whole = range(output!);
    const part = Math.max(...data.map((input) => range(input) ?? Number.POSITIVE_INFINITY));
    if (whole !== undefined && part > 0 && whole >= DROWNED * part) found.add(output!);
  }
  // A mask that is read by the drowned operator alone needs no encoding either.
  for (const value of [...found]) {
    for (const input of index.producer(value)?.inputs ?? []) if (!learned.has(input)) found.add(input);
  }
  return found;
}
