import { cloneModel, indexGraph, labelOf, type Model, type Node } from "../graph/index.js";
import type { MacsReport } from "../operators/macs.js";
import {
  floatIslands,
  floatReason,
  type Int8Coverage,
  int8Coverage,
  isDequantize,
  isQuantize,
  type LeftoverConversion,
  multipliesIntegers,
  shareOf,
} from "./int8-coverage.js";

/** Gives the graph that the runtime executes for a model: `optimizedModel` of @equant/core/node is one. */
export type OptimizeModel = (model: Model) => Promise<Model>;

/**
 * What runs on integers in the graph that ONNX Runtime made of the model. Nodes keep their names through its
 * optimizers (the channels-last one appends `_token_<n>`), so a copy with numbered names tells what became of each.
 * Undefined when a multiplying integer node cannot be traced back: then nothing is claimed.
 */
export async function measuredCoverage(
  model: Model,
  macs: MacsReport,
  optimize: OptimizeModel,
): Promise<Int8Coverage | undefined> {
  const nodes = model.graph.nodes;
  const numbered = cloneModel(model);
  numbered.graph.nodes.forEach((node, i) => {
    node.name = `equant_${i}`;
  });
  const executed = await optimize(numbered);
  const originOf = (node: Node): Node | undefined => {
    const number = /^equant_(\d+)(?:_token_\d+)*$/.exec(node.name)?.[1];
    return number === undefined ? undefined : nodes[Number(number)];
  };
  const integer = new Set<Node>();
  for (const node of executed.graph.nodes) {
    if (!multipliesIntegers(node)) continue;
    const origin = originOf(node);
    if (!origin) return undefined;
    integer.add(origin);
  }
  const index = indexGraph(model.graph);
  const predicted = int8Coverage(model, macs);
  const floatLayers = macs.nodes
    .filter(({ node }) => !integer.has(node))
    .map(({ node, name, macs: count }) => ({
      node: name,
      opType: node.opType,
      macs: count,
      reason: floatReason(model, index, node) ?? "ONNX Runtime runs it in float all the same",
    }));
  const int8Macs = macs.nodes.reduce((sum, { node, macs: count }) => (integer.has(node) ? sum + count : sum), 0);
  const reasons = new Map([...predicted.floatLayers, ...predicted.leftover].map(({ node, reason }) => [node, reason]));
  return {
    macs: macs.total,
    int8Macs,
    share: shareOf(int8Macs, macs.total),
    floatLayers,
    leftover: remainingConversions(executed, originOf, reasons),
    source: "runtime",
  };
}

/** Conversions between float and integers that the executed graph still makes, by the node they serve. */
function remainingConversions(
  executed: Model,
  originOf: (node: Node) => Node | undefined,
  reasons: ReadonlyMap<string, string>,
): LeftoverConversion[] {
  const index = indexGraph(executed.graph);
  const served = new Map<string, { opType: string; quantize: number; dequantize: number }>();
  for (const node of floatIslands(executed, index)) {
    const dequantize = node.inputs.filter((value) => value !== "" && isDequantize(index.producer(value))).length;
    const readers = node.outputs.flatMap((value) => (value === "" ? [] : index.uses(value)));
    const quantize = readers.filter(({ node: reader }) => isQuantize(reader)).length;
    if (dequantize + quantize === 0) continue;
    const origin = originOf(node);
    const name = origin ? labelOf(origin) : "(inserted by ONNX Runtime)";
    const entry = served.get(name) ?? { opType: (origin ?? node).opType, quantize: 0, dequantize: 0 };
    entry.quantize += quantize;
    entry.dequantize += dequantize;
    served.set(name, entry);
  }
  return [...served].map(([node, { opType, quantize, dequantize }]) => ({
    node,
    opType,
    quantize,
    dequantize,
    reason: reasons.get(node) ?? `ONNX Runtime runs ${opType} in float here`,
  }));
}
