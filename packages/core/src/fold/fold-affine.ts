import { scaledGateNodes } from "../channels/index.js";
import { createNode, indexGraph, type Node, topologicalOrder } from "../graph/index.js";
import { absorb, NO_LAYER } from "./absorb-affine.js";
import { binaryAffine } from "./channel-affine.js";
import type { FoldScope } from "./fold-scope.js";
import { changeableLayer, layerEndingIn, layerTensor, readBias } from "./layer-end.js";

/**
 * Folds Mul, Add, Sub and Div by a constant, one value a channel or one for all, into the neighbouring linear layer.
 * An Add behind a MatMul is its bias: both become a Gemm where the rank is known to be 2, and stay a pair otherwise.
 * Vectors of scaled gates stay: equalization took them out of the layers.
 */
export function foldAffine(scope: FoldScope): void {
  const { graph } = scope;
  const scaled = scaledGateNodes(topologicalOrder(graph), indexGraph(graph), (value) => scope.constant(value));
  for (const node of graph.nodes) {
    if (scope.wiring.isRemoved(node) || scaled.has(node)) continue;
    const affine = binaryAffine(scope, node);
    if (affine === undefined) continue;
    const bias = typeof affine === "object" && isBiasAdd(scope, node);
    const reason = typeof affine === "string" ? affine : bias ? mergeIntoGemm(scope, node) : absorb(scope, affine);
    // Most constants in a graph are nowhere near a layer; only refusals next to one are worth telling.
    if (reason !== undefined && reason !== NO_LAYER && (typeof affine === "object" || nearLayer(scope, node))) {
      scope.skip(node, reason);
    }
  }
}

/** The Add that holds the bias of a MatMul. */
function isBiasAdd(scope: FoldScope, node: Node): boolean {
  const end = layerEndingIn(scope, node.outputs[0] ?? "");
  return typeof end === "object" && end.add === node && typeof readBias(scope, end) !== "string";
}

function mergeIntoGemm(scope: FoldScope, add: Node): string | undefined {
  const { wiring } = scope;
  const end = layerEndingIn(scope, add.outputs[0]!);
  if (typeof end !== "object") return undefined;
  const { layer } = end;
  const bias = readBias(scope, end);
  if (!(bias instanceof Float64Array)) return undefined;
  if (scope.types.shape(layer.input)?.length !== 2)
    return "MatMul and its bias stay a pair: the rank of its input is not known to be 2";
  const name = scope.names.allocate(`${layer.node.name || layer.output}_bias`);
  scope.graph.initializers.set(name, layerTensor(layer, [layer.outChannels], bias));
  const output = add.outputs[0]!;
  wiring.remove(add);
  wiring.remove(layer.node);
  wiring.insertBehind(
    layer.node,
    createNode({
      opType: "Gemm",
      name: layer.node.name,
      inputs: [layer.input, layer.weight, name],
      outputs: [output],
    }),
  );
  scope.done(add, [layer.node]);
  return undefined;
}

function nearLayer(scope: FoldScope, node: Node): boolean {
  const neighbours = node.inputs.map((value) => scope.wiring.producer(value));
  return [...neighbours, ...scope.wiring.readers(node.outputs[0]!)].some(
    (other) => other && changeableLayer(scope, other) !== undefined,
  );
}
