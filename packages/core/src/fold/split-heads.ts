import { attributeOf, createNode, isOp, type Node, subgraphsOf } from "../graph/index.js";
import { Tensor } from "../graph/tensor.js";
import { axisOf } from "../operators/attributes.js";
import type { LinearLayer } from "../operators/index.js";
import { isLayer } from "../operators/linear-layer.js";
import type { FoldScope } from "./fold-scope.js";
import { changeableLayer } from "./layer-end.js";

/**
 * A Conv at the end of a network whose output channels a Split takes apart becomes one Conv a part: detection heads compute scores and
 * boxes in one layer, and one scale for both would leave the smaller a few steps of the 8 bits. The same products and sums as before,
 * channel by channel. Where layers follow, the parts are features alike, and the layer stays in one piece.
 */
export function splitHeads(scope: FoldScope): void {
  const { graph, wiring } = scope;
  for (const split of graph.nodes) {
    if (!isOp(split, "Split") || wiring.isRemoved(split)) continue;
    const layer = headLayer(scope, split);
    if (!layer) continue;
    const sizes = partSizes(scope, split, layer.outChannels);
    if (!sizes || split.outputs.length !== sizes.length) continue;
    const parts = sizes.map((size, at) => {
      const start = sizes.slice(0, at).reduce((sum, before) => sum + before, 0);
      return partOf(scope, layer, { start, size, output: split.outputs[at]! });
    });
    wiring.remove(split);
    wiring.remove(layer.node);
    for (const part of parts) wiring.insertBehind(layer.node, part);
    scope.done(split, parts);
  }
}

/** The Conv that a Split alone reads and takes apart by channel, with no layer behind. */
function headLayer(scope: FoldScope, split: Node): LinearLayer | undefined {
  const [value] = split.inputs;
  const producer = scope.wiring.producer(value!);
  const layer = producer && changeableLayer(scope, producer);
  if (typeof layer !== "object" || layer.opType !== "Conv" || layer.group !== 1) return undefined;
  const bias = layer.node.inputs[2] ?? "";
  if (bias !== "" && scope.ownConstant(bias)?.dims.length !== 1) return undefined;
  if (axisOf(split, layer.tensor.dims.length, 0) !== 1 || scope.wiring.whyShared(value!) !== undefined)
    return undefined;
  return split.outputs.includes("") || leadsToLayer(scope, split) ? undefined : layer;
}

/** Whether a layer, or a subgraph that may hold one, depends on what a node makes. */
function leadsToLayer({ wiring }: FoldScope, from: Node): boolean {
  const seen = new Set([from]);
  for (const node of seen) {
    for (const output of node.outputs) {
      if (wiring.isCaptured(output)) return true;
      for (const reader of wiring.readers(output)) {
        if (isLayer(reader) || subgraphsOf(reader).length > 0) return true;
        seen.add(reader);
      }
    }
  }
  return false;
}

/** Channels of every part; undefined where they are computed. */
function partSizes(scope: FoldScope, split: Node, channels: number): readonly number[] | undefined {
  const count = split.outputs.length;
  const given = split.inputs[1] ?? "";
  const listed = given === "" ? attributeOf(split, "split", "ints", undefined) : scope.constant(given)?.numbers();
  if (given !== "" && !listed) return undefined;
  const whole = Math.ceil(channels / count);
  const sizes = listed ?? Array.from({ length: count }, (_, at) => Math.min(whole, channels - at * whole));
  return sizes.every((size) => size > 0) && sizes.reduce((sum, size) => sum + size, 0) === channels ? sizes : undefined;
}

function partOf(
  { graph, names, ownConstant }: FoldScope,
  { node, tensor, output: whole, outChannels }: LinearLayer,
  { start, size, output }: { readonly start: number; readonly size: number; readonly output: string },
): Node {
  const label = names.allocate(`${node.name || whole}_${start}`);
  const slice = (of: Tensor, kind: string) => {
    const each = of.size / outChannels;
    const name = names.allocate(`${label}_${kind}`);
    const data = of.array().slice(start * each, (start + size) * each);
    graph.initializers.set(name, Tensor.of(of.dtype, [size, ...of.dims.slice(1)], data));
    return name;
  };
  const bias = node.inputs[2] ?? "";
  const inputs = [
    node.inputs[0]!,
    slice(tensor, "weight"),
    ...(bias === "" ? [] : [slice(ownConstant(bias)!, "bias")]),
  ];
  return createNode({
    opType: "Conv",
    name: label,
    inputs,
    outputs: [output],
    attributes: Object.fromEntries(node.attributes),
  });
}
