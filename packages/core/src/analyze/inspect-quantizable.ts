import { isOp, type Node, subgraphsOf } from "../graph/index.js";
import { factsOf, type OperatorKind } from "../operators/facts.js";
import { TARGETS } from "../quantize/targets.js";
import type { QuantizableState } from "./inspect-report.js";
import { isDequantize, isQuantize } from "./int8-coverage.js";
import type { ConstantLookup } from "./parameter-count.js";

/** What folding makes of an operator before anything is quantized. */
function foldedInto(node: Node, kind: OperatorKind | undefined): string | undefined {
  if (isOp(node, "BatchNormalization")) return "goes into the layer before it";
  if (kind === "copy") return "is removed";
  return kind === "constant" ? "becomes a stored constant" : undefined;
}

/** Shape arithmetic: integers already, a few numbers. */
const SHAPES: readonly (OperatorKind | undefined)[] = ["shape", "cast", "compare"];

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
  const facts = factsOf(node);
  if (node.domain !== "") return state("no", `operators of ${node.domain} stay float`);
  const folded = foldedInto(node, facts?.kind);
  if (folded !== undefined) return state("folds", folded);
  if (target.layers.has(node.opType)) {
    const isConstant = lookup(node.inputs[1] ?? "") !== undefined;
    if (isConstant || (isOp(node, "MatMul") && target.operators.has("MatMul"))) return state("yes");
    return state("no", "its weight is computed, not stored");
  }
  if (target.movers.has(node.opType) && facts?.ort === undefined)
    return state("no", "keeps the scale of its input, but onnxruntime moves it in float");
  if (target.operators.has(node.opType) || target.movers.has(node.opType)) return state("yes");
  if (target.fused.has(node.opType)) return state("yes", "goes into the layer before it where it follows one");
  if (SHAPES.includes(facts?.kind)) return state("no", "computes shapes and indices");
  if (facts?.ort !== undefined) return state("no", "has an integer form in onnxruntime, but is left in float");
  return state("no", "has no integer form in onnxruntime");
}
