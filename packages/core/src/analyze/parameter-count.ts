import { attributeOf, type Graph, isOp, type Model, type Node, subgraphsOf, type Tensor } from "../graph/index.js";
import { factsOf, type OperatorKind } from "../operators/facts.js";

/** Numbers a node has learned. */
export interface NodeParameters {
  /** Elements of weights and biases. */
  readonly parameters: number;
  /** Elements of running means and variances. */
  readonly statistics: number;
  /** Bytes of both, as stored. */
  readonly bytes: number;
}

export interface ParameterCount {
  /** Weights and biases, scale and bias of normalizations: what training changes. Each tensor counts once. */
  readonly parameters: number;
  /** With the running mean and variance of BatchNormalization. */
  readonly parametersWithStatistics: number;
  /** By node, subgraphs included; a tensor that several nodes read belongs to the first. */
  readonly byNode: ReadonlyMap<Node, NodeParameters>;
}

/** What may stand between a stored weight and the node that uses it. */
const CARRIERS: readonly (OperatorKind | undefined)[] = ["copy", "cast", "rearrange", "quantize"];
const carriesWeights = (node: Node) => CARRIERS.includes(factsOf(node)?.kind);
const REAL = ["float32", "float64", "float16", "bfloat16"];

/** The constant behind a value: an initializer or the output of a Constant node, also through what carries it. */
export interface StoredConstant {
  readonly name: string;
  readonly tensor: Tensor;
  /** False where it was dequantized on the way: then integers are weights too. */
  readonly direct: boolean;
}

export type ConstantLookup = (value: string) => StoredConstant | undefined;

/** Finds the constants of a graph; `outer` finds those of the graph around it. */
export function constantLookup(graph: Graph, outer: ConstantLookup = () => undefined): ConstantLookup {
  const producers = new Map<string, Node>();
  for (const node of graph.nodes) for (const output of node.outputs) producers.set(output, node);
  return function lookup(value) {
    let direct = true;
    // As many steps as a chain of carriers can have: a cycle ends here.
    for (let at = value, steps = 0; steps < 20; steps++) {
      const tensor = graph.initializers.get(at);
      if (tensor) return { name: at, tensor, direct };
      const node = producers.get(at);
      if (!node) return outer(at);
      if (isOp(node, "Constant")) {
        const stored = attributeOf(node, "value", "tensor", undefined);
        return stored && { name: at, tensor: stored, direct };
      }
      if (!carriesWeights(node)) return undefined;
      if (node.opType === "DequantizeLinear") direct = false;
      at = node.inputs[0] ?? "";
    }
    return undefined;
  };
}

/** Counts what a model has learned. */
export function countParameters(model: Model): ParameterCount {
  const byNode = new Map<Node, NodeParameters>();
  const seen = new Set<Tensor>();
  const visit = (graph: Graph, outer?: ConstantLookup) => {
    const lookup = constantLookup(graph, outer);
    for (const node of graph.nodes) {
      const own = countNode(node, lookup, seen);
      if (own.bytes > 0) byNode.set(node, own);
      for (const inner of subgraphsOf(node)) visit(inner, lookup);
    }
  };
  visit(model.graph);
  let [parameters, statistics] = [0, 0];
  for (const own of byNode.values()) {
    parameters += own.parameters;
    statistics += own.statistics;
  }
  return { parameters, parametersWithStatistics: parameters + statistics, byNode };
}

function countNode(node: Node, lookup: ConstantLookup, seen: Set<Tensor>): NodeParameters {
  let [parameters, statistics, bytes] = [0, 0, 0];
  const take = (position: number): number => {
    const found = lookup(node.inputs[position] ?? "");
    if (!found || seen.has(found.tensor) || !isLearned(node, found)) return 0;
    seen.add(found.tensor);
    bytes += found.tensor.byteLength ?? 0;
    return found.tensor.size;
  };
  const facts = factsOf(node);
  for (const position of facts?.learned ?? []) parameters += take(position);
  for (const position of facts?.statistics ?? []) statistics += take(position);
  return { parameters, statistics, bytes };
}

function isLearned(node: Node, { tensor, direct }: StoredConstant): boolean {
  const isReal = REAL.includes(tensor.dtype);
  switch (factsOf(node)?.kind) {
    // A single number (x · 0.5, x + 3) belongs to the formula, not to what was learned.
    case "arithmetic":
      return tensor.size > 1 && isReal;
    // A table of indices is no embedding.
    case "select":
      return !direct || isReal;
    default:
      return true;
  }
}
