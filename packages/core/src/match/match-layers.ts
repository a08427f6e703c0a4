import { type Graph, indexGraph, labelOf, type Node } from "../graph/index.js";
import { isSaturation } from "../operators/facts.js";
import { type LinearLayer, linearLayers } from "../operators/index.js";
import type { Skip } from "../runtime/index.js";
import type { QdqFile } from "./read-qdq.js";

/** A layer of a quantized file and the one of the float network it was made from. */
export interface LayerPair {
  readonly file: LinearLayer;
  readonly float: LinearLayer;
  /** `name`: a value, weight or node of the same name; `order`: the same kind and shape at the same place in the sequence. */
  readonly by: "name" | "order";
}

/** All that could be paired, and why the others could not. */
export interface LayerMatch {
  /** In the order of the file. */
  readonly pairs: readonly LayerPair[];
  readonly skipped: readonly Skip[];
}

interface Entry {
  readonly layer: LinearLayer;
  readonly signature: string;
  /** Names that tell it apart: what it makes (also behind activations), its weight, its node. */
  readonly names: readonly string[];
}

/**
 * Pairs layers by name where operator, attributes and weight shape agree, the others by the longest common sequence of such
 * layers in topological order.
 */
export function matchLayers(file: QdqFile, float: Graph): LayerMatch {
  const { graph } = file.skeleton;
  const own = entries(graph, (layer) => file.constants.get(layer.weight)?.stem ?? layer.weight);
  const others = entries(float, (layer) => layer.weight);
  const paired = new Map<Entry, { other: Entry; by: LayerPair["by"] }>();
  const taken = new Set<Entry>();
  const take = (entry: Entry, other: Entry, by: LayerPair["by"]) => {
    paired.set(entry, { other, by });
    taken.add(other);
  };
  for (const entry of own) {
    const other = entry.names
      .map((name) => others.filter((candidate) => candidate.names.includes(name) && !taken.has(candidate)))
      .find((found) => found.length === 1 && found[0]!.signature === entry.signature)?.[0];
    if (other) take(entry, other, "name");
  }
  const left = own.filter((entry) => !paired.has(entry));
  const free = others.filter((entry) => !taken.has(entry));
  for (const [entry, other] of longestCommon(left, free)) take(entry, other, "order");
  const pairs = own.flatMap((entry): LayerPair[] => {
    const found = paired.get(entry);
    return found ? [{ file: entry.layer, float: found.other.layer, by: found.by }] : [];
  });
  const skipped = own
    .filter((entry) => !paired.has(entry))
    .map(({ layer, names }): Skip => {
      const same = others.find(({ names: theirs }) => theirs.some((name) => names.includes(name)));
      const shape = ({ tensor }: LinearLayer) => `[${tensor.dims.join(", ")}]`;
      const reason = same
        ? `its weight is ${shape(layer)} in the file and ${shape(same.layer)} in the float model: channels were removed, or it is another model`
        : `the float model has no ${layer.opType} left with a weight of ${shape(layer)}`;
      return { node: labelOf(layer.node), opType: layer.opType, reason };
    });
  return { pairs, skipped };
}

function entries(graph: Graph, weightName: (layer: LinearLayer) => string): Entry[] {
  const index = indexGraph(graph);
  return linearLayers(graph).map((layer) => {
    const names = [layer.output];
    for (let next = index.onlyConsumer(layer.output); isSaturation(next); ) {
      names.push(next.outputs[0]!);
      next = index.onlyConsumer(next.outputs[0]!);
    }
    if (layer.node.name !== "") names.push(layer.node.name);
    return { layer, signature: signatureOf(layer), names: [...names, weightName(layer)] };
  });
}

/** Operator, weight shape and what changes how a weight is applied. */
function signatureOf({ opType, tensor, node }: LinearLayer): string {
  const attributes = ["group", "strides", "dilations", "transB"].map((name) => attributeText(node, name));
  return JSON.stringify([opType, tensor.dims, ...attributes]);
}

/** Defaults (1 everywhere, 0) are written by some tools and left out by others. */
function attributeText(node: Node, name: string): string {
  const attribute = node.attributes.get(name);
  if (attribute?.type === "int") return attribute.value === (name === "transB" ? 0 : 1) ? "" : String(attribute.value);
  if (attribute?.type !== "ints" || attribute.value.every((value) => value === 1)) return "";
  return attribute.value.join();
}

/** Longest common subsequence by signature; of several the earliest. */
function longestCommon(a: readonly Entry[], b: readonly Entry[]): [Entry, Entry][] {
  const best = Array.from({ length: a.length + 1 }, () => new Int32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const same = a[i]!.signature === b[j]!.signature;
      best[i]![j] = same ? best[i + 1]![j + 1]! + 1 : Math.max(best[i + 1]![j]!, best[i]![j + 1]!);
    }
  }
  const pairs: [Entry, Entry][] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i]!.signature === b[j]!.signature) pairs.push([a[i++]!, b[j++]!]);
    else if (best[i + 1]![j]! >= best[i]![j + 1]!) i++;
    else j++;
  }
  return pairs;
}
