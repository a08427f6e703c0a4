import { attributeOf, ints, isOp, type Node, string } from "../graph/index.js";
import { padAmounts, paddingOf, padValue } from "../operators/attributes.js";
import { factsOf } from "../operators/facts.js";
import type { FoldScope } from "./fold-scope.js";

/**
 * Merges a Pad with zeros into the padding of the Conv and AveragePool (counting padding) behind it: the same zeros, never
 * written to memory. MaxPool pads with −∞ and cannot take them. All readers take it, or none.
 */
export function mergePad(scope: FoldScope): void {
  const { wiring } = scope;
  for (const node of scope.graph.nodes) {
    if (!isOp(node, "Pad")) continue;
    const output = node.outputs[0]!;
    const readers = wiring.readers(output);
    if (!readers.some(takesZeros)) continue;
    const plan = planMerge(scope, node, readers);
    if (typeof plan === "string") {
      scope.skip(node, plan);
      continue;
    }
    for (const [reader, pads] of plan) {
      reader.attributes.set("pads", ints(pads));
      if (reader.attributes.has("auto_pad")) reader.attributes.set("auto_pad", string("NOTSET"));
    }
    wiring.remove(node);
    wiring.replaceReaders(output, node.inputs[0]!);
    scope.done(node, readers);
  }
}

function planMerge(scope: FoldScope, pad: Node, readers: readonly Node[]): Map<Node, number[]> | string {
  const output = pad.outputs[0]!;
  if (scope.wiring.isOutput(output)) return `its output "${output}" is a graph output`;
  if (scope.wiring.isCaptured(output)) return `its output "${output}" is read by a subgraph`;
  const constant = (name: string) => scope.constant(name);
  const value = padValue(pad, constant);
  if (value === "repeats") return `its mode is ${attributeOf(pad, "mode", "string", "")}`;
  if (value !== 0)
    return value === undefined ? "its value is computed by the graph" : `its value is ${value}, expected 0`;
  const amounts = fullAmounts(scope, pad);
  if (typeof amounts === "string") return amounts;
  const rank = amounts.length / 2;
  if (amounts.some((amount) => amount < 0)) return "it crops";
  if ([0, 1, rank, rank + 1].some((at) => amounts[at] !== 0)) return "it pads the batch or the channels";
  const spatial = [...amounts.slice(2, rank), ...amounts.slice(rank + 2)];
  const plan = new Map<Node, number[]>();
  for (const reader of readers) {
    const pads = planReader(scope, reader, spatial);
    if (typeof pads === "string") return pads;
    plan.set(reader, pads);
  }
  return plan;
}

/** Its padding is zeros that count: Conv, and AveragePool where it says so. */
const takesZeros = (node: Node) => factsOf(node)?.padding === "zeros";

function planReader(scope: FoldScope, reader: Node, spatial: readonly number[]): number[] | string {
  if (!takesZeros(reader)) return `its output is also read by ${reader.opType}, which cannot take it`;
  const padding = paddingOf(reader);
  if (padding.rule === "sameLower" || padding.rule === "sameUpper")
    return `${reader.opType} has auto_pad ${attributeOf(reader, "auto_pad", "string", "")}`;
  const old = padding.rule === "explicit" ? padding.amounts : [];
  const pads = spatial.map((amount, index) => amount + (old[index] ?? 0));
  if (reader.opType === "Conv") {
    const weightRank = scope.types.shape(reader.inputs[1]!)?.length;
    return weightRank === undefined || spatial.length === 2 * (weightRank - 2) ? pads : "Conv has another rank";
  }
  if (attributeOf(reader, "count_include_pad", "int", 0) === 0 && pads.some((amount) => amount !== 0)) {
    return "AveragePool does not count padding";
  }
  // With ceil_mode a last window may lie half outside, and what it divides by depends on whose padding it is.
  if (attributeOf(reader, "ceil_mode", "int", 0) !== 0) return "AveragePool has ceil_mode";
  const kernel = attributeOf(reader, "kernel_shape", "ints", []);
  if (kernel.length * 2 !== spatial.length) return "AveragePool has another rank";
  return pads.some((amount, index) => amount >= kernel[index % kernel.length]!)
    ? "the padding is as large as the window"
    : pads;
}

/** Amounts for all axes, begins then ends; from opset 18 on they may be given for some axes only. */
function fullAmounts(scope: FoldScope, pad: Node): readonly number[] | string {
  const amounts = padAmounts(pad, (value) => scope.constant(value));
  if (!amounts) return "its amounts are computed by the graph";
  if ((pad.inputs[3] ?? "") === "") return amounts.length >= 6 ? amounts : "it has no spatial axes";
  const axes = scope.constant(pad.inputs[3]!)?.numbers();
  const rank = scope.types.shape(pad.inputs[0]!)?.length;
  if (!axes || rank === undefined) return "its axes are not known";
  const full = new Array<number>(2 * rank).fill(0);
  for (const [index, axis] of axes.entries()) {
    const at = axis < 0 ? axis + rank : axis;
    full[at] = amounts[index]!;
    full[at + rank] = amounts[index + axes.length]!;
  }
  return full;
}
