import picomatch from "picomatch";
import { OptionsError } from "../errors.js";
import { type Graph, indexGraph, labelOf, type Node } from "../graph/index.js";
import { nearest } from "../nearest.js";

/** Which nodes stay in float. */
export interface Exclusions {
  /** Names or glob patterns of nodes, for example `classifier/*`. */
  nodes?: readonly string[];
  /** Operator types, for example `Concat`. */
  opTypes?: readonly string[];
  /** Nodes between tensors: everything that lies on a path from one of `from` to one of `to`. */
  subgraphs?: readonly { readonly from: readonly string[]; readonly to: readonly string[] }[];
}

/**
 * The nodes the exclusions name.
 * @throws {OptionsError} E2103 for a pattern, type or tensor that matches nothing, with the nearest names.
 */
export function resolveExclusions(graph: Graph, exclusions: Exclusions = {}): Set<Node> {
  const excluded = new Set<Node>();
  for (const pattern of exclusions.nodes ?? []) addMatching(graph, pattern, excluded);
  for (const opType of exclusions.opTypes ?? []) {
    const matches = graph.nodes.filter((node) => node.opType === opType);
    if (matches.length === 0) {
      const types = [...new Set(graph.nodes.map((node) => node.opType))];
      throw unmatched(`operator type '${opType}' matches none of ${types.length} types`, opType, types);
    }
    for (const node of matches) excluded.add(node);
  }
  for (const { from, to } of exclusions.subgraphs ?? [])
    for (const node of between(graph, from, to)) excluded.add(node);
  return excluded;
}

/**
 * What every node has of its own, later entries over earlier ones.
 * @throws {OptionsError} E2103 for a pattern that matches nothing, with the nearest names.
 */
export function settingsByNode<S extends { readonly match: string }>(
  graph: Graph,
  entries: readonly S[],
): Map<Node, Omit<S, "match">> {
  const settings = new Map<Node, Omit<S, "match">>();
  for (const { match, ...own } of entries) {
    const nodes = new Set<Node>();
    addMatching(graph, match, nodes);
    for (const node of nodes) settings.set(node, { ...settings.get(node), ...own } as Omit<S, "match">);
  }
  return settings;
}

/** Nodes that a name or pattern means. @throws {OptionsError} E2103 when there are none, with the nearest names. */
export function matchingNodes(graph: Graph, pattern: string): Set<Node> {
  const nodes = new Set<Node>();
  addMatching(graph, pattern, nodes);
  return nodes;
}

function addMatching(graph: Graph, pattern: string, excluded: Set<Node>): void {
  const names = graph.nodes.map(labelOf);
  const exact = names.indexOf(pattern);
  const matches = exact >= 0 ? (name: string) => name === pattern : picomatch(pattern, { bash: true, dot: true });
  let found = false;
  graph.nodes.forEach((node, index) => {
    if (!matches(names[index]!)) return;
    excluded.add(node);
    found = true;
  });
  if (!found) throw unmatched(`'${pattern}' matches none of ${names.length} nodes`, pattern, names);
}

function unmatched(what: string, pattern: string, names: readonly string[]): OptionsError {
  const close = nearest(pattern, names);
  return new OptionsError("E2103", `exclude: ${what}`, {
    actual: pattern,
    nearest: close,
    hint:
      close.length > 0
        ? `did you mean ${close.join(", ")}? List names with: equant inspect MODEL --names`
        : "list names with: equant inspect MODEL --names",
  });
}

function between(graph: Graph, from: readonly string[], to: readonly string[]): Node[] {
  const index = indexGraph(graph);
  const values = new Set([...graph.inputs.map(({ name }) => name), ...graph.nodes.flatMap((node) => node.outputs)]);
  for (const tensor of [...from, ...to]) {
    if (!values.has(tensor))
      throw unmatched(`tensor '${tensor}' is none of ${values.size} values`, tensor, [...values]);
  }
  const reach = (starts: readonly string[], next: (value: string) => { node: Node; values: readonly string[] }[]) => {
    const seen = new Set<Node>();
    const stack = [...starts];
    for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
      for (const { node, values: more } of next(value)) {
        if (seen.has(node)) continue;
        seen.add(node);
        stack.push(...more);
      }
    }
    return seen;
  };
  const ahead = reach(from, (value) => index.uses(value).map(({ node }) => ({ node, values: node.outputs })));
  const behind = reach(to, (value) => {
    const node = index.producer(value);
    return node ? [{ node, values: node.inputs }] : [];
  });
  const nodes = graph.nodes.filter((node) => ahead.has(node) && behind.has(node));
  if (nodes.length === 0) {
    throw new OptionsError("E2103", `exclude: no node lies between ${from.join(", ")} and ${to.join(", ")}`, {
      hint: "give the inputs of the subgraph first, then its outputs",
    });
  }
  return nodes;
}
