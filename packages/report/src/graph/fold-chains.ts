import { OPERATORS, type OperatorKind } from "@equant/core/lab";
import { indexSummary, type SummaryIndex } from "./index-summary.js";
import type { GraphSummary } from "./types.js";

/** What multiplies stands for its card. */
export const isAnchor = (opType: string): boolean => OPERATORS.get(opType)?.macs !== undefined;
export const isQdq = (opType: string): boolean => OPERATORS.get(opType)?.kind === "quantize";
/** One value in, the same shape out: such nodes join the chain of the layer before them. */
const isFollower = (opType: string): boolean => {
  const facts = OPERATORS.get(opType);
  return FOLLOWERS.includes(facts?.kind) || facts?.byChannel !== undefined;
};
const FOLLOWERS: readonly (OperatorKind | undefined)[] = ["activation", "arithmetic", "copy", "cast"];

/** Groups of nodes, and which group each node is in. Groups are in the order of their first node. */
export interface Chains {
  readonly groups: readonly (readonly number[])[];
  readonly groupOf: Int32Array;
  readonly index: SummaryIndex;
  /** 1 for a Constant and for the dequantization of one: they make no edge between groups. */
  readonly constant: Uint8Array;
}

/**
 * One group a node, except that
 * - a follower joins the group of its only producer when it is that producer's only consumer and the group has an
 *   anchor: conv + batch-norm + activation, and the swish written as Sigmoid and Mul;
 * - QuantizeLinear and DequantizeLinear join what they read from, so that quantizing a graph changes no group; those
 *   of a constant join their first reader, as does a Constant. Those of a graph input are in group −1.
 */
export function foldChains(graph: GraphSummary, linear = true): Chains {
  const index = indexSummary(graph);
  const nodes = graph.nodes;
  const inputs = new Set(graph.inputs ?? []);
  const parent = Int32Array.from(nodes, (_, i) => i);
  const find = (node: number): number => {
    let root = node;
    while (root >= 0 && parent[root] !== root) root = parent[root]!;
    return root;
  };
  const anchored = Uint8Array.from(nodes, (node) => Number(isAnchor(node.opType)));
  const constant = new Uint8Array(nodes.length);
  for (const node of index.order) {
    const { opType, inputs: names } = nodes[node]!;
    if (opType !== "Constant" && !isQdq(opType)) continue;
    constant[node] = Number(!inputs.has(names[0]!) && index.producers[node]!.every((producer) => constant[producer]));
  }

  for (const node of index.order) {
    const { opType, inputs: names } = nodes[node]!;
    const producers = index.producers[node]!;
    if (isQdq(opType) && inputs.has(names[0]!)) parent[node] = -1;
    else if (isQdq(opType) && !constant[node]) parent[node] = find(producers[0]!);
  }
  // Constants and their dequantization go to whoever reads them first; readers come later, so walk backwards.
  for (const node of [...index.order].reverse()) {
    if (!constant[node]) continue;
    const reader = index.consumers[node]!.map(find).find((group) => group >= 0);
    if (reader !== undefined) parent[node] = reader;
  }
  if (linear) joinFollowers(graph, index, { parent, find, anchored, constant });

  const groupOf = new Int32Array(nodes.length).fill(-1);
  const groups: number[][] = [];
  const numbers = new Map<number, number>();
  for (const node of index.order) {
    const root = find(node);
    if (root < 0) continue;
    let group = numbers.get(root);
    if (group === undefined) {
      group = groups.push([]) - 1;
      numbers.set(root, group);
    }
    groups[group]!.push(node);
    groupOf[node] = group;
  }
  return { groups, groupOf, index, constant };
}

interface Union {
  readonly parent: Int32Array;
  readonly find: (node: number) => number;
  readonly anchored: Uint8Array;
  readonly constant: Uint8Array;
}

/** Producer and consumer groups are compared rather than nodes, so that QDQ in between does not matter. */
function joinFollowers(graph: GraphSummary, index: SummaryIndex, { parent, find, anchored, constant }: Union): void {
  const members = new Map<number, number[]>();
  for (const node of index.order) {
    const root = find(node);
    if (root < 0) continue;
    const list = members.get(root);
    if (list) list.push(node);
    else members.set(root, [node]);
  }
  const outputs = new Set(graph.outputs ?? []);
  const outside = (root: number, of: "producers" | "consumers"): Set<number> => {
    const found = new Set<number>();
    for (const node of members.get(root)!) {
      if (constant[node]) continue;
      for (const other of index[of][node]!) {
        if (constant[other]) continue;
        const group = find(other);
        if (group !== root) found.add(group);
      }
    }
    return found;
  };
  for (const node of index.order) {
    const root = find(node);
    if (root !== node || !isFollower(graph.nodes[node]!.opType)) continue;
    const from = outside(root, "producers");
    const producer = [...from][0];
    if (from.size !== 1 || producer === undefined || producer < 0 || !anchored[producer]) continue;
    if ([...outside(producer, "consumers")].some((group) => group !== root)) {
      if (!closesDiamond(producer, root)) continue;
    }
    if (members.get(producer)!.some((inner) => graph.nodes[inner]!.outputs.some((name) => outputs.has(name)))) continue;
    join(producer, root);
  }

  /** x·sigmoid(x): the layer is read by the activation and by the product, and the activation by the product alone. */
  function closesDiamond(producer: number, root: number): boolean {
    const readers = [...outside(producer, "consumers")].filter((group) => group !== root);
    if (readers.length !== 1) return false;
    const product = readers[0]!;
    if (product < 0 || graph.nodes[product]?.opType !== "Mul") return false;
    const after = outside(root, "consumers");
    return after.size === 1 && after.has(product) && outside(product, "producers").size === 2;
  }

  function join(into: number, root: number): void {
    parent[root] = into;
    members.get(into)!.push(...members.get(root)!);
    members.delete(root);
  }
}
