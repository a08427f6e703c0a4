import {
  bitsOf,
  type DType,
  type Graph,
  type InspectReport,
  labelOf,
  linearLayerOf,
  type Model,
  type Node,
  type Tensor,
} from "@equant/core/web";
import type { GraphSummary, SummaryNode } from "./types.js";

/**
 * The summary of a model for the graph view. Ids are the names that `inspect` prints, made unique. Bytes, bits and
 * sparsity are of the constants; a weight behind DequantizeLinear counts for the layer that reads it. MACs come from
 * the report of `inspectModel`. Reads every weight once: call it off the main thread.
 */
export function summarizeGraph(model: Model, inspection?: Pick<InspectReport, "nodes">): GraphSummary {
  const { graph } = model;
  const macs = new Map(inspection?.nodes.map((node) => [node.name, node.macs ?? 0]));
  const makers = new Map<string, Node>();
  for (const node of graph.nodes) for (const output of node.outputs) if (output !== "") makers.set(output, node);
  const ids = new Set<string>();
  const counted = new Set<string>();
  const nodes = graph.nodes.map((node): SummaryNode => {
    const name = labelOf(node);
    const weight = weightOf(graph, makers, node);
    let weightBytes = 0;
    for (const value of constantsOf(graph, makers, node)) {
      if (counted.has(value)) continue;
      counted.add(value);
      weightBytes += bytesOf(graph.initializers.get(value)!);
    }
    return {
      id: unique(name, ids),
      name,
      opType: node.opType,
      inputs: [...node.inputs],
      outputs: [...node.outputs],
      weightBytes,
      macs: macs.get(name) ?? 0,
      ...(weight ? weightFacts(weight) : {}),
    };
  });
  const constants = new Set(graph.initializers.keys());
  return {
    name: graph.name,
    nodes,
    inputs: graph.inputs.map(({ name }) => name).filter((name) => !constants.has(name)),
    outputs: graph.outputs.map(({ name }) => name),
  };
}

function weightFacts(weight: Tensor): Pick<SummaryNode, "bits" | "sparsity"> {
  const bits = bitsOf(weight.dtype);
  const sparsity = zeroShare(weight);
  return { ...(bits === undefined ? {} : { bits }), ...(sparsity === undefined ? {} : { sparsity }) };
}

function unique(name: string, taken: Set<string>): string {
  let id = name;
  for (let again = 2; taken.has(id); again++) id = `${name}#${again}`;
  taken.add(id);
  return id;
}

const isDequantize = (node: Node | undefined): node is Node => node?.opType === "DequantizeLinear";

/** Names of the initializers a node reads, itself or through the dequantization of them. */
function constantsOf(graph: Graph, makers: ReadonlyMap<string, Node>, node: Node): string[] {
  if (isDequantize(node) && graph.initializers.has(node.inputs[0]!)) return [];
  return node.inputs.flatMap((input) => {
    if (graph.initializers.has(input)) return [input];
    const maker = makers.get(input);
    return isDequantize(maker) && graph.initializers.has(maker.inputs[0]!)
      ? maker.inputs.filter((name) => graph.initializers.has(name))
      : [];
  });
}

/** The weight a layer multiplies by, as it is stored. */
function weightOf(graph: Graph, makers: ReadonlyMap<string, Node>, node: Node): Tensor | undefined {
  const layer = linearLayerOf(graph, node);
  if (layer) return layer.tensor;
  if (!["Conv", "ConvTranspose", "Gemm", "MatMul"].includes(node.opType)) return undefined;
  const maker = makers.get(node.inputs[1] ?? "");
  return isDequantize(maker) ? graph.initializers.get(maker.inputs[0]!) : undefined;
}

const bytesOf = (tensor: Tensor): number => tensor.byteLength ?? 0;

/** Types whose zero is the number 0 of a typed array; weights of other types have no sparsity here. */
const COUNTABLE: ReadonlySet<DType> = new Set(["float32", "float64", "int8", "int16", "int32"]);

function zeroShare(tensor: Tensor): number | undefined {
  if (!COUNTABLE.has(tensor.dtype)) return undefined;
  const values = tensor.array();
  let zeros = 0;
  for (let i = 0; i < values.length; i++) if (values[i] === 0) zeros++;
  return values.length === 0 ? undefined : zeros / values.length;
}
