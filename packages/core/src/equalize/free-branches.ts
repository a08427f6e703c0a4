import { channelFlow, type ObservedShapes } from "../channels/flow.js";
import { createNode, type Graph, indexGraph, NameAllocator, type Node, Tensor } from "../graph/index.js";
import type { ResolvedEqualizeOptions } from "./equalize-options.js";
import { type NoiseModel, predictedNoise, termNoise } from "./noise-model.js";
import { roundedValues } from "./noise-values.js";
import { type ScaleFactors, scaleClasses } from "./scale-classes.js";

/** A Mul by a vector that only exists to carry factors. */
export interface BranchMul {
  /** What it reads, whose channels are pinned. */
  readonly value: string;
  /** What the layers read instead. */
  readonly branch: string;
}

/** Options that know the shapes. */
export type EqualizeKnowledge = ResolvedEqualizeOptions & { readonly shapes: ObservedShapes };

/** What a Mul must lower the predicted noise of the network by. */
const PAYS_DB = 0.05;

/**
 * Where layers read a value whose channels something else pins (the residual Add of a transformer, an input of the network), a Mul by ones
 * is put in front of the layers: their branch then is a class of its own. In place, in the order of `values`.
 */
export function freeBranches(graph: Graph, { shapes, noise }: EqualizeKnowledge): BranchMul[] {
  const classes = scaleClasses(channelFlow(graph, shapes));
  const values = noise.quantized ?? roundedValues(classes.flow, noise.activations);
  const names = new NameAllocator(graph);
  const inserted: BranchMul[] = [];
  for (const value of values) {
    const own = classes.values.get(value);
    const space = classes.flow.space(value);
    const dims = classes.flow.dims(value);
    const readers = classes.flow.nodes.filter(({ layer, reason }) => layer?.input === value && reason === undefined);
    const pinned = own?.variables.every((variable) => classes.classes[own.class]!.pinned[variable] !== undefined);
    if (!own || !pinned || !space || readers.length === 0) continue;
    const branch = names.allocate(`${value}_branch`);
    const constant = names.allocate(`${branch}_factors`);
    const shape = dims.slice(space.axes[0]).map((size, k) => (space.axes.includes(k + space.axes[0]!) ? size : 1));
    graph.initializers.set(constant, Tensor.float32(shape, new Float32Array(space.count).fill(1)));
    const node = createNode({
      opType: "Mul",
      inputs: [value, constant],
      outputs: [branch],
      name: names.allocate(`${branch}_Mul`),
    });
    const first = Math.min(...readers.map((reader) => graph.nodes.indexOf(reader.node)));
    for (const reader of readers) reader.node.inputs[0] = branch;
    graph.nodes.splice(first, 0, node);
    inserted.push({ value, branch });
  }
  return inserted;
}

/** Options with what they know of each value said of its branch too. */
export function withBranches(options: EqualizeKnowledge, branches: readonly BranchMul[]): EqualizeKnowledge {
  const { stats, shapes, noise } = options;
  const extended = <T>(map: ReadonlyMap<string, T>): ReadonlyMap<string, T> => {
    const known = branches.flatMap(({ value, branch }) => (map.has(value) ? [[branch, map.get(value)!] as const] : []));
    return new Map([...map, ...known]);
  };
  const branchOf = new Map(branches.map(({ value, branch }) => [value, branch]));
  const quantized = noise.quantized?.map((value) => branchOf.get(value) ?? value);
  return {
    ...options,
    stats: stats && extended(stats),
    shapes: extended(shapes),
    noise: { ...noise, ...(quantized && { quantized }) },
  };
}

/** Factors with those of branches that do not pay set back to 1, and what the others gain. */
export function payingBranches(
  noise: NoiseModel,
  chosen: ScaleFactors,
  branches: readonly BranchMul[],
): { factors: ScaleFactors; paying: { value: string; gainDb: number }[] } {
  const factors = [...chosen];
  const paying: { value: string; gainDb: number }[] = [];
  const { total } = predictedNoise(noise, chosen);
  for (const { value, branch } of branches) {
    const id = noise.classes.values.get(branch)?.class;
    if (id === undefined) continue;
    const terms = noise.terms.filter(({ rowClass, columnClass }) => rowClass === id || columnClass === id);
    const ones = chosen.map((ofClass, k) => (k === id ? ofClass.map(() => 1) : ofClass));
    const sum = (given: ScaleFactors) => terms.reduce((noiseOf, term) => noiseOf + termNoise(term, given), 0);
    const gainDb = 10 * Math.log10((total + sum(ones) - sum(chosen)) / total);
    if (gainDb >= PAYS_DB) paying.push({ value, gainDb });
    else factors[id] = ones[id]!;
  }
  return { factors, paying };
}

/** Takes out Muls that multiply by 1. */
export function removeBranches(graph: Graph, branches: readonly BranchMul[]): void {
  const index = indexGraph(graph);
  const gone = new Set<Node>();
  for (const { value, branch } of branches) {
    const mul = index.producer(branch);
    if (
      !mul?.inputs.slice(1).every((name) =>
        graph.initializers
          .get(name)
          ?.numbers()
          .every((factor) => factor === 1),
      )
    )
      continue;
    for (const { node, input } of index.uses(branch)) node.inputs[input] = value;
    graph.initializers.delete(mul.inputs[1]!);
    gone.add(mul);
  }
  graph.nodes = graph.nodes.filter((node) => !gone.has(node));
}
