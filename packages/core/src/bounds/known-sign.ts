import { type Graph, type GraphIndex, isOp } from "../graph/index.js";
import { clipBounds } from "../operators/attributes.js";
import { factsOf } from "../operators/facts.js";

/** Values looked at before giving up: long chains without an activation do not occur. */
const MOST_VALUES = 256;

/**
 * True when the value cannot be negative whatever the input, so that its minimum need not be measured:
 * the range of an encoding contains 0 in any case. Pad is not on the list: what it adds may be negative.
 */
export function isNonNegative(graph: Graph, index: GraphIndex, value: string): boolean {
  return signOf(graph, index, value, new Map());
}

/** `known` holds what was found; a value that is being looked at counts as unknown, so that damaged graphs end too. */
function signOf(graph: Graph, index: GraphIndex, value: string, known: Map<string, boolean>): boolean {
  const found = known.get(value);
  if (found !== undefined) return found;
  known.set(value, false);
  const result = look(graph, index, value, known);
  known.set(value, result);
  return result;
}

function look(graph: Graph, index: GraphIndex, value: string, known: Map<string, boolean>): boolean {
  const tensor = graph.initializers.get(value);
  if (tensor) {
    const overridable = index.isInput(value);
    return !overridable && tensor.dtype === "float32" && (tensor.array() as Float32Array).every((x) => x >= 0);
  }
  const node = index.producer(value);
  const facts = factsOf(node);
  // Further outputs (indices of MaxPool, mask of Dropout) are no float values.
  if (!node || !facts || node.outputs[0] !== value || known.size > MOST_VALUES) return false;
  if (facts.range && facts.range[0] >= 0) return true;
  if (isOp(node, "Clip")) return (clipBounds(node, (name) => graph.initializers.get(name)).low ?? -1) >= 0;
  if (!facts.keepsSign && facts.within === undefined) return false;
  const inputs: readonly string[] = facts.data === "all" ? node.inputs : node.inputs.slice(0, 1);
  return inputs.every((input) => signOf(graph, index, input, known));
}
