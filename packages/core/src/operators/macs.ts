import { attributeOf, type Graph, labelOf, type Model, type Node, sizeOf, subgraphsOf } from "../graph/index.js";
import { transposed } from "./attributes.js";
import { factsOf, type Multiplication } from "./facts.js";
import { inferStaticTypes, type StaticTypes } from "./static-types.js";

/** Sizes of every value, as `observeShapes` returns them. */
export type ValueShapes = ReadonlyMap<string, { readonly dims: readonly number[] }>;

/** Multiply–accumulate operations of one node. */
export interface NodeMacs {
  readonly node: Node;
  /** What a person calls the node. */
  readonly name: string;
  readonly macs: number;
}

export interface MacsReport {
  /** Multiply–accumulate operations of one run at the batch size of the shapes. */
  readonly total: number;
  /** Nodes that multiply, in graph order, those in the bodies of If, Loop and Scan behind the node that holds them. */
  readonly nodes: readonly NodeMacs[];
  /** Names of nodes that multiply an amount nobody can tell, because sizes or the number of rounds are not known. */
  readonly uncounted: readonly string[];
}

/** True for nodes that multiply by a matrix or kernel: those whose MACs count. */
export function isMultiplying(node: Node): boolean {
  return factsOf(node)?.macs !== undefined;
}

type Dims = readonly number[];
type DimsOf = (value: string | undefined) => Dims | undefined;

/**
 * Multiply–accumulate operations of a model, from the shapes of one run (observe them at batch 1 for figures per sample).
 *
 * Conv: outputs · C/group · kernel; ConvTranspose: inputs · M/group · kernel; Gemm and MatMul: outputs · K; LSTM, GRU and
 * RNN: every weight once a step and direction; attention: projections, Q·Kᵀ and the product with V; Einsum: the product of
 * all its sizes. Padding counts, as everywhere; biases, activations and everything else do not. The body of a Loop or Scan
 * counts as often as it runs; of the branches of an If the costlier one counts.
 */
export function macsOf(model: Model, shapes: ValueShapes): MacsReport {
  const uncounted: string[] = [];
  const nodes = macsOfGraph(model.graph, (value) => shapes.get(value)?.dims, uncounted);
  return { total: nodes.reduce((sum, { macs }) => sum + macs, 0), nodes, uncounted };
}

function macsOfGraph(graph: Graph, known: (value: string) => Dims | undefined, uncounted: string[]): NodeMacs[] {
  const dimsOf: DimsOf = (value) =>
    value === undefined || value === "" ? undefined : (known(value) ?? graph.initializers.get(value)?.dims);
  return graph.nodes.flatMap((node) => {
    const multiplication = factsOf(node)?.macs;
    if (!multiplication) return macsOfBodies(node, dimsOf, uncounted);
    const macs = macsOfNode(node, multiplication, dimsOf);
    if (macs === undefined) uncounted.push(labelOf(node));
    return [{ node, name: labelOf(node), macs: macs ?? 0 }];
  });
}

/** What multiplies inside of a node. Sizes in a body are those it declares or that follow, and those of the values around it. */
function macsOfBodies(node: Node, outer: DimsOf, uncounted: string[]): NodeMacs[] {
  const bodies = subgraphsOf(node).map((body) => {
    const unknown: string[] = [];
    const around: StaticTypes = { shape: outer, dtype: () => undefined };
    const types = inferStaticTypes(body, (value) => body.initializers.get(value), around);
    const nodes = macsOfGraph(body, (value) => declaredDims(body, value) ?? whole(types.shape(value)), unknown);
    return { nodes, unknown, total: nodes.reduce((sum, { macs }) => sum + macs, 0) };
  });
  if (bodies.every(({ nodes }) => nodes.length === 0)) return [];
  const rounds = roundsOf(node, outer);
  const costliest = bodies.reduce((a, b) => (b.total > a.total ? b : a));
  for (const { nodes, unknown } of bodies) {
    uncounted.push(...(rounds === undefined ? nodes.map(({ name }) => name) : unknown));
  }
  return costliest.nodes.map((inner) => ({ ...inner, macs: inner.macs * (rounds ?? 0) }));
}

/** How often the body of a node runs; undefined where the run decides. */
function roundsOf(node: Node, dimsOf: DimsOf): number | undefined {
  switch (factsOf(node)?.kind) {
    case "branch":
      return 1;
    case "loop": {
      // A Scan reads its last `num_scan_inputs` inputs entry by entry; a Loop stops when its condition says so.
      const scanned = attributeOf(node, "num_scan_inputs", "int", undefined);
      if (scanned === undefined) return undefined;
      const axis = attributeOf(node, "scan_input_axes", "ints", [0])[0]!;
      return dimsOf(node.inputs[node.inputs.length - scanned])?.at(axis);
    }
    default:
      return undefined;
  }
}

function declaredDims(graph: Graph, value: string): Dims | undefined {
  const info = graph.valueInfos.get(value) ?? [...graph.inputs, ...graph.outputs].find(({ name }) => name === value);
  return whole(info?.shape);
}

/** Sizes where all of them are known. */
function whole(shape: readonly (number | string | undefined)[] | undefined): Dims | undefined {
  return shape?.every((dim) => typeof dim === "number") ? shape : undefined;
}

/** Undefined where sizes that it takes are not known. */
function macsOfNode(node: Node, { formula, ...at }: Multiplication, dimsOf: DimsOf): number | undefined {
  const data = dimsOf(node.inputs[at.data]);
  const weight = dimsOf(node.inputs[at.weight]);
  const output = dimsOf(node.outputs.find((value) => value !== ""));
  if (!data) return undefined;
  switch (formula) {
    // Weight [M, C/group, k…]: every output value is a sum over all but the first axis.
    case "conv":
      return output && weight && sizeOf(output) * sizeOf(weight.slice(1));
    // Weight [C, M/group, k…]: every input value goes to that many outputs.
    case "convTranspose":
      return weight && sizeOf(data) * sizeOf(weight.slice(1));
    case "gemm":
      return output && sizeOf(output) * (data[transposed(node).a ? 0 : 1] ?? 1);
    // FusedMatMul may transpose its factors.
    case "matmul":
      return output && sizeOf(output) * (data.at(transposed(node).a && data.length > 1 ? -2 : -1) ?? 1);
    // X [steps, batch, inputs] and the states behind it meet W [directions, gates · hidden, inputs] and R […, hidden].
    case "recurrent": {
      const recurrence = dimsOf(node.inputs[2]);
      return weight && recurrence && data[0]! * data[1]! * (sizeOf(weight) + sizeOf(recurrence));
    }
    // X [batch, length, C] times W [C, Q + K + V], then attention among the positions.
    case "projection": {
      const values = output?.at(-1);
      if (!weight || values === undefined) return undefined;
      const [batch = 1, length = 1] = data;
      const keys = (weight[1]! - values) / 2;
      return batch * length * (sizeOf(weight) + length * (keys + values));
    }
    // Q·Kᵀ: every query entry meets every key; the result as often every value.
    case "attention": {
      const positions = weight?.at(-2);
      return output && positions !== undefined ? (sizeOf(data) + sizeOf(output)) * positions : undefined;
    }
    case "einsum": {
      const operands = node.inputs.map(dimsOf);
      return operands.every((dims) => dims !== undefined)
        ? macsOfEinsum(attributeOf(node, "equation", "string", ""), operands)
        : undefined;
    }
  }
}

/** Product of the sizes of all letters, once for every product of two operands. Axes under `…` are aligned at the right. */
function macsOfEinsum(equation: string, operands: readonly Dims[]): number | undefined {
  const terms = equation.replace(/\s/g, "").split("->")[0]!.split(",");
  if (terms.length !== operands.length) return undefined;
  const sizes = new Map<string, number>();
  terms.forEach((term, at) => {
    const dims = operands[at]!;
    const hidden = dims.length - term.replace("...", "").length;
    const [before = "", behind] = term.split("...");
    const ellipsis = behind === undefined ? [] : Array.from({ length: hidden }, (_, k) => `…${hidden - k}`);
    [...before, ...ellipsis, ...(behind ?? "")].forEach((letter, axis) => {
      sizes.set(letter, Math.max(sizes.get(letter) ?? 1, dims[axis] ?? 1));
    });
  });
  return sizeOf([...sizes.values()]) * (operands.length - 1);
}
