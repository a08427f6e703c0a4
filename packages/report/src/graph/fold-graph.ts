import { findRuns } from "./fold-blocks.js";
import { type Chains, foldChains, isAnchor, isQdq } from "./fold-chains.js";
import { hashText } from "./hash.js";
import { orderOf } from "./index-summary.js";
import type { Card, FoldedGraph, GraphSummary } from "./types.js";

export interface FoldOptions {
  /** Ids of folded cards that are shown as what is in them. Default: none. */
  readonly unfolded?: ReadonlySet<string>;
  /** Repeated blocks are folded only where chains alone leave more cards than this. Default: 100. */
  readonly blocksAbove?: number;
  /** `nodes` folds nothing, `chains` no blocks. Default: `blocks`. */
  readonly level?: "nodes" | "chains" | "blocks";
}

export const FOLD_DEFAULTS = { blocksAbove: 100, level: "blocks" } as const satisfies FoldOptions;

/**
 * Collapses linear conv + batch-norm + activation chains, and in a graph that is still large repeated blocks, into
 * cards. Pure and deterministic. QuantizeLinear and DequantizeLinear never make a card of their own above the level
 * of nodes, so a network has the same cards before and after quantization.
 */
export function foldGraph(graph: GraphSummary, options: FoldOptions = {}): FoldedGraph {
  const { unfolded = new Set<string>(), blocksAbove, level } = { ...FOLD_DEFAULTS, ...options };
  const { chains, draft } = draftOf(graph, level !== "nodes");
  const fold = level === "blocks" && draft.cards.length > blocksAbove;
  const blocks = fold
    ? blocksOf(
        graph,
        draft,
        draft.cards.map((card) => card.hash),
      )
    : draft;
  return finish(expand(graph, chains, draft, blocks, unfolded));
}

/** Cards with the indices of the nodes they hold. */
interface Item extends Card {
  readonly nodes: readonly number[];
}

interface Draft {
  readonly cards: readonly Item[];
  /** Card indices that each card reads from, in the order of its inputs. */
  readonly producers: readonly (readonly number[])[];
}

interface Unblocked {
  readonly chains: Chains;
  readonly draft: Draft;
}
const drafts = { linear: new WeakMap<GraphSummary, Unblocked>(), nodes: new WeakMap<GraphSummary, Unblocked>() };

/** Kept with the graph, so that unfolding a card costs only what depends on it. */
function draftOf(graph: GraphSummary, linear: boolean): Unblocked {
  const kept = drafts[linear ? "linear" : "nodes"];
  let result = kept.get(graph);
  if (!result) {
    const chains = foldChains(graph, linear);
    result = { chains, draft: withTerminals(graph, sortedGroups(graph, chains), chains) };
    kept.set(graph, result);
  }
  return result;
}

/** What a group is named and hashed by: its anchor, or its first node that computes. */
function mainOf(graph: GraphSummary, group: readonly number[]): number {
  return (
    group.find((node) => isAnchor(graph.nodes[node]!.opType)) ??
    group.find((node) => !isQdq(graph.nodes[node]!.opType) && graph.nodes[node]!.opType !== "Constant") ??
    group[0]!
  );
}

function sortedGroups(graph: GraphSummary, { groups, index }: Chains): number[][] {
  const rank = new Int32Array(graph.nodes.length);
  index.order.forEach((node, position) => {
    rank[node] = position;
  });
  const main = new Map(groups.map((group) => [group, rank[mainOf(graph, group)]!]));
  return [...groups].sort((a, b) => main.get(a)! - main.get(b)!).map((group) => [...group]);
}

function itemOf(graph: GraphSummary, nodes: readonly number[], parent?: string): Item {
  const main = graph.nodes[mainOf(graph, nodes)]!;
  const steps = nodes.map((node) => graph.nodes[node]!.opType).filter((op) => !isQdq(op) && op !== "Constant");
  const chain = nodes.length > 1;
  return {
    id: chain ? `chain:${main.id}` : main.id,
    kind: chain ? "chain" : "node",
    nodes,
    nodeIds: nodes.map((node) => graph.nodes[node]!.id),
    main: main.id,
    title: steps.length > 0 ? steps.map(shortOp).join(" + ") : main.opType,
    subtitle: main.name,
    // Neither batch-norm nor QDQ counts: folding the one and inserting the other is what quantization does.
    hash: isAnchor(main.opType) ? main.opType : (steps[0] ?? main.opType),
    ...(parent === undefined ? {} : { parent }),
  };
}

const shortOp = (opType: string): string => (opType === "BatchNormalization" ? "BN" : opType);

const terminal = (kind: "input" | "output", name: string, nodes: readonly number[], graph: GraphSummary): Item => ({
  id: `${kind}:${name}`,
  kind,
  nodes,
  nodeIds: nodes.map((node) => graph.nodes[node]!.id),
  main: `${kind}:${name}`,
  title: kind === "input" ? "Input" : "Output",
  subtitle: name,
  hash: kind,
});

/** Cards of the groups between those of the graph's inputs and outputs, in topological order. */
function withTerminals(graph: GraphSummary, groups: readonly (readonly number[])[], chains: Chains): Draft {
  const atInput = (name: string): number[] =>
    chains.index.order.filter((node) => chains.groupOf[node] === -1 && sourceOf(graph, chains, node) === name);
  const inputs = (graph.inputs ?? []).map((name) => terminal("input", name, atInput(name), graph));
  const outputs = (graph.outputs ?? []).map((name) => terminal("output", name, [], graph));
  return connect(graph, chains, [...inputs, ...groups.map((group) => itemOf(graph, group)), ...outputs]);
}

/** The graph input that a chain of QDQ nodes starts from. */
function sourceOf(graph: GraphSummary, { index }: Chains, node: number): string {
  let name = graph.nodes[node]!.inputs[0]!;
  for (let producer = index.producerOf.get(name); producer !== undefined; producer = index.producerOf.get(name)) {
    name = graph.nodes[producer]!.inputs[0]!;
  }
  return name;
}

/** Edges between items by the nodes they hold, and items in topological order. */
function connect(graph: GraphSummary, { index, constant }: Chains, items: readonly Item[]): Draft {
  const itemOfNode = new Map<number, number>();
  items.forEach((item, i) => {
    for (const node of item.nodes) itemOfNode.set(node, i);
  });
  const inputs = new Map(items.map((item, i) => [item.kind === "input" ? item.subtitle : undefined, i]));
  const fromValue = (name: string): number | undefined => {
    const producer = index.producerOf.get(name);
    if (producer === undefined) return name === "" ? undefined : inputs.get(name);
    return constant[producer] ? undefined : itemOfNode.get(producer);
  };
  const producers = items.map((item, i) => {
    const found = new Set<number>();
    const add = (name: string) => {
      const from = fromValue(name);
      if (from !== undefined && from !== i) found.add(from);
    };
    if (item.kind === "output") add(item.subtitle);
    for (const node of item.nodes) graph.nodes[node]!.inputs.forEach(add);
    return [...found];
  });
  const order = orderOf(producers);
  const position = new Int32Array(items.length);
  order.forEach((item, at) => {
    position[item] = at;
  });
  return {
    cards: order.map((item) => items[item]!),
    producers: order.map((item, at) => producers[item]!.map((from) => position[from]!).filter((from) => from < at)),
  };
}

/** Runs of repeated blocks contracted, one card an occurrence. */
function blocksOf(graph: GraphSummary, draft: Draft, labels: readonly string[]): Draft {
  const cards: Item[] = [];
  let next = 0;
  for (const run of findRuns(labels, draft.producers)) {
    cards.push(...draft.cards.slice(next, run.start));
    const shape = labels.slice(run.start, run.start + run.length).map((label, i) => {
      const local = draft.producers[run.start + i]!.map((from) => from - run.start).filter((from) => from >= 0);
      return `${label}(${local.join()})`;
    });
    for (let k = 0; k < run.count; k++) {
      const inside = draft.cards.slice(run.start + k * run.length, run.start + (k + 1) * run.length);
      cards.push(blockOf(graph, inside, hashText(shape.join()), k + 1, run.count));
    }
    next = run.start + run.length * run.count;
  }
  cards.push(...draft.cards.slice(next));
  return { cards, producers: [] };
}

function blockOf(
  graph: GraphSummary,
  inside: readonly Item[],
  hash: string,
  occurrence: number,
  occurrences: number,
): Item {
  const weighted = (card: Item) => card.nodes.some((node) => (graph.nodes[node]!.weightBytes ?? 0) > 0);
  const layers = inside.filter((card) => isAnchor(card.hash) && weighted(card));
  const main = layers[0] ?? inside[0]!;
  const nodes = inside.flatMap((card) => [...card.nodes]);
  return {
    id: `block:${main.main}`,
    kind: "block",
    nodes,
    nodeIds: inside.flatMap((card) => [...card.nodeIds]),
    main: main.main,
    title: `Block ${occurrence} of ${occurrences}`,
    subtitle: `${commonName(layers.map((card) => card.subtitle)) || `from ${main.subtitle}`} · ${nodes.length} nodes`,
    hash,
    occurrence,
    occurrences,
  };
}

/** What the names begin with, whole parts only: `layer.0` of `layer.0.query` and `layer.0.up`. */
export function commonName(names: readonly string[]): string {
  let common = names[0] ?? "";
  for (const name of names) {
    let same = 0;
    while (same < common.length && common[same] === name[same]) same++;
    common = common.slice(0, same);
  }
  if (names.every((name) => name === common)) return common;
  const end = Math.max(...["/", ".", "_", ":"].map((separator) => common.lastIndexOf(separator)));
  return end > 0 ? common.slice(0, end).replace(/^\//, "") : "";
}

/** Unfolded blocks become their cards, unfolded chains their nodes. */
function expand(
  graph: GraphSummary,
  chains: Chains,
  draft: Draft,
  blocks: Draft,
  unfolded: ReadonlySet<string>,
): Draft {
  const inBlock = new Map<number, Item>();
  for (const block of blocks.cards)
    if (block.kind === "block") for (const node of block.nodes) inBlock.set(node, block);
  const items: Item[] = [];
  const chain = (card: Item, parent?: string) => {
    if (card.kind === "chain" && unfolded.has(card.id)) {
      for (const nodes of withConstants(card.nodes, chains)) {
        const item = itemOf(graph, nodes, card.id);
        items.push({ ...item, kind: "node", id: item.main });
      }
    } else items.push(parent === undefined ? card : { ...card, parent });
  };
  const seen = new Set<Item>();
  for (const card of draft.cards) {
    const block = card.nodes.length > 0 ? inBlock.get(card.nodes[0]!) : undefined;
    if (!block) chain(card);
    else if (unfolded.has(block.id)) chain(card, block.id);
    else if (!seen.has(block)) {
      seen.add(block);
      items.push(block);
    }
  }
  return connect(graph, chains, items);
}

/** The nodes of a chain one by one, a Constant or the dequantization of a weight together with who reads it. */
function withConstants(nodes: readonly number[], { constant, index }: Chains): number[][] {
  const groups = new Map<number, number[]>();
  for (const node of nodes) if (!constant[node]) groups.set(node, [node]);
  const readerOf = (node: number): number | undefined => {
    for (const reader of index.consumers[node]!) {
      const found = constant[reader] ? readerOf(reader) : groups.has(reader) ? reader : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  };
  for (const node of nodes) {
    if (!constant[node]) continue;
    const reader = readerOf(node);
    if (reader === undefined) groups.set(node, [node]);
    else groups.get(reader)!.unshift(node);
  }
  return [...groups.values()];
}

function finish(draft: Draft): FoldedGraph {
  const cards = draft.cards.map(({ nodes: _, ...card }): Card => card);
  const edges: [number, number][] = [];
  draft.producers.forEach((list, to) => {
    for (const from of list) edges.push([from, to]);
  });
  const cardOf = new Map<string, number>();
  cards.forEach((card, index) => {
    for (const id of card.nodeIds) cardOf.set(id, index);
    cardOf.set(card.id, index);
    cardOf.set(card.main, index);
  });
  return { cards, edges, cardOf, hash: hashText(`${cards.length};${edges.join(";")}`) };
}
