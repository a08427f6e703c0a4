import { isOp, type Node, subgraphsOf } from "../graph/index.js";
import { TARGETS } from "../quantize/targets.js";
import type { QuantizableState } from "./inspect-report.js";
import { isDequantize, isQuantize } from "./int8-coverage.js";
import type { ConstantLookup } from "./parameter-count.js";

const FOLDED: ReadonlyMap<string, string> = new Map(
  Object.entries<string>({
    BatchNormalization: "goes into the layer before it",
    Identity: "is removed",
    Dropout: "is removed",
    Constant: "becomes a stored constant",
  }),
);

/** Shape arithmetic: integers already, a few numbers. */
const SHAPES = ["Shape", "Size", "ConstantOfShape", "Range", "NonZero", "ArgMax", "ArgMin", "Cast", "Where", "Equal"];

/** State of a node and why; the table is the target `ort-cpu` of quantization. */
export function quantizability(
  node: Node,
  lookup: ConstantLookup,
  isInner: boolean,
): { quantizable: QuantizableState; reason: string | null } {
  const target = TARGETS["ort-cpu"];
  const state = (quantizable: QuantizableState, reason: string | null = null) => ({ quantizable, reason });
  if (isQuantize(node) || isDequantize(node) || /^QLinear|Integer/.test(node.opType)) return state("done");
  if (isInner || subgraphsOf(node).length > 0) return state("no", "subgraphs stay float");
  if (node.domain !== "") return state("no", `operators of ${node.domain} stay float`);
  const folded = FOLDED.get(node.opType);
  if (folded !== undefined) return state("folds", folded);
  if (target.layers.has(node.opType)) {
    const isConstant = lookup(node.inputs[1] ?? "") !== undefined;
    if (isConstant || (isOp(node, "MatMul") && target.operators.has("MatMul"))) return state("yes");
    return state("no", "its weight is computed, not stored");
  }
  if (target.operators.has(node.opType) || target.movers.has(node.opType)) return state("yes");
  if (target.fused.has(node.opType)) return state("yes", "goes into the layer before it where it follows one");
  if (SHAPES.includes(node.opType)) return state("no", "computes shapes and indices");
  return state("no", "has no integer form in onnxruntime");
}
