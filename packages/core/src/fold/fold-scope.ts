import { throwIfAborted } from "../errors.js";
import {
  cloneModel,
  type Graph,
  labelOf,
  type Model,
  NameAllocator,
  type Node,
  removeDead,
  subgraphsOf,
  type Tensor,
} from "../graph/index.js";
import { inferStaticTypes, type StaticTypes } from "../operators/static-types.js";
import type { Skip, TransformContext } from "../runtime/index.js";
import { Wiring } from "./wiring.js";

/** The kinds of folding, in the order in which {@link fold} runs them. */
export const FOLD_KINDS = ["constants", "identities", "pads", "affine", "batchNorms", "heads"] as const;

export type FoldKind = (typeof FOLD_KINDS)[number];

/** One node that was folded away. */
export interface FoldedNode {
  readonly kind: FoldKind;
  readonly node: string;
  readonly opType: string;
  /** The layers that took it in. */
  readonly into?: readonly string[];
}

/** What every pass of a fold needs of one graph. A pass edits through `wiring` and the initializers, nothing else. */
export interface FoldScope {
  readonly graph: Graph;
  readonly opset: number;
  readonly names: NameAllocator;
  readonly wiring: Wiring;
  readonly types: StaticTypes;
  readonly context: TransformContext;
  readonly model: Model;
  /** Nodes that a pass gave up for good, with the reason; lives as long as the whole transform. */
  readonly refused: Map<Node, string>;
  /** Value of a constant of this graph or an outer one; undefined for defaults of graph inputs, which a caller may replace. */
  constant(value: string): Tensor | undefined;
  /** As {@link constant}, for a value that may be defined in this very graph only: one that can be changed. */
  ownConstant(value: string): Tensor | undefined;
  skip(node: Node, reason: string): void;
  done(node: Node, into?: readonly Node[]): void;
}

/** One kind of folding over one graph. */
export type FoldPass = (scope: FoldScope) => void | Promise<void>;

/** What {@link runFold} found and did. */
export interface FoldOutcome {
  readonly modified: boolean;
  readonly skipped: readonly Skip[];
  readonly folded: readonly FoldedNode[];
  readonly nodesBefore: number;
  readonly nodesAfter: number;
}

export interface FoldRun {
  readonly name: string;
  readonly passes: ReadonlyMap<FoldKind, FoldPass>;
  /** Defaults of graph inputs count as constants, and those inputs disappear. */
  readonly inputDefaults: boolean;
}

/**
 * Runs passes over a copy of the model, outer graphs first, until none changes anything; only then the model changes.
 * Reasons of skips are those of the last round: they describe the model that is returned.
 */
export async function runFold(model: Model, run: FoldRun, context: TransformContext): Promise<FoldOutcome> {
  const work = cloneModel(model);
  const dropped = dropInputDefaults(work, run.inputDefaults);
  const folded: FoldedNode[] = [];
  const refused = new Map<Node, string>();
  const nodesBefore = countNodes(work.graph);
  let skipped: Skip[];
  let before: number;
  do {
    before = folded.length;
    skipped = [];
    for (const [kind, pass] of run.passes) {
      throwIfAborted(context.signal, run.name);
      const done = folded.length;
      const common = { model: work, names: new NameAllocator(work.graph), context, refused };
      await runPass(work.graph, undefined, {
        ...common,
        pass,
        skip: (node, reason) => skipped.push({ node: labelOf(node), opType: node.opType, reason }),
        done: (node, into) =>
          folded.push({
            kind,
            node: labelOf(node),
            opType: node.opType,
            ...(into && { into: into.map(labelOf) }),
          }),
      });
      if (folded.length > done) removeDeadEverywhere(work.graph);
    }
  } while (folded.length > before);
  const modified = folded.length > 0 || (run.passes.has("constants") && dropped > 0);
  const nodesAfter = countNodes(modified ? work.graph : model.graph);
  if (modified) {
    Object.assign(model.graph, work.graph);
    // Before version 4 every initializer had to be a graph input, which folded constants are not.
    model.irVersion = Math.max(work.irVersion, 4);
  }
  return { modified, skipped, folded, nodesBefore, nodesAfter };
}

interface PassRun {
  readonly model: Model;
  readonly names: NameAllocator;
  readonly context: TransformContext;
  readonly refused: Map<Node, string>;
  readonly pass: FoldPass;
  readonly skip: FoldScope["skip"];
  readonly done: FoldScope["done"];
}

async function runPass(graph: Graph, outer: FoldScope | undefined, run: PassRun): Promise<void> {
  const { pass, ...rest } = run;
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  const ownConstant = (value: string) => (inputs.has(value) ? undefined : graph.initializers.get(value));
  const constant = (value: string) => ownConstant(value) ?? (inputs.has(value) ? undefined : outer?.constant(value));
  const scope: FoldScope = {
    ...rest,
    graph,
    opset: run.model.opsets.get("") ?? 0,
    wiring: new Wiring(graph),
    types: inferStaticTypes(graph, constant, outer?.types),
    constant,
    ownConstant,
  };
  await pass(scope);
  scope.wiring.finish();
  for (const node of graph.nodes) for (const inner of subgraphsOf(node)) await runPass(inner, scope, run);
}

/** Inner graphs first: what only they read is dead outside as well. */
function removeDeadEverywhere(graph: Graph): void {
  for (const node of graph.nodes) for (const inner of subgraphsOf(node)) removeDeadEverywhere(inner);
  removeDead(graph);
}

function countNodes(graph: Graph): number {
  let count = graph.nodes.length;
  for (const node of graph.nodes) for (const inner of subgraphsOf(node)) count += countNodes(inner);
  return count;
}

/**
 * Makes initializers that are graph inputs plain constants. Before IR version 4 every initializer had to be a graph input
 * and none was meant as a default, so there it always happens; from 4 on only when `all` asks for it.
 * Returns how many inputs were dropped.
 */
export function dropInputDefaults(model: Model, all: boolean): number {
  const { graph } = model;
  if (model.irVersion >= 4 && !all) return 0;
  const kept = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  const dropped = graph.inputs.length - kept.length;
  graph.inputs = kept;
  return dropped;
}
