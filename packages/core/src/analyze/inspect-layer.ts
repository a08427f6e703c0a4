import { type Attribute, type Graph, labelOf, type Model, type Node, subgraphsOf } from "../graph/index.js";
import { type ConstantLookup, constantLookup } from "./parameter-count.js";

/** Type and sizes of a value of a node, as far as they are known. */
export interface LayerValue {
  readonly name: string;
  readonly dtype: string | null;
  readonly dims: readonly number[] | null;
  /** True when the value is stored in the model. */
  readonly constant: boolean;
}

/** One node in detail. */
export interface LayerDetail {
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  /** JSON-safe: tensors and graphs are described, not shown. */
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly inputs: readonly LayerValue[];
  readonly outputs: readonly LayerValue[];
}

type Shapes = ReadonlyMap<string, { readonly dtype?: string; readonly dims: readonly number[] }>;

/** Details of all nodes with one of the names, subgraphs included, in graph order. */
export function inspectLayers(model: Model, names: ReadonlySet<string>, shapes: Shapes = new Map()): LayerDetail[] {
  const details: LayerDetail[] = [];
  const visit = (graph: Graph, outer?: ConstantLookup) => {
    const lookup = constantLookup(graph, outer);
    for (const node of graph.nodes) {
      if (names.has(labelOf(node))) details.push(detailOf(node, graph, lookup, shapes));
      for (const inner of subgraphsOf(node)) visit(inner, lookup);
    }
  };
  visit(model.graph);
  return details;
}

function detailOf(node: Node, graph: Graph, lookup: ConstantLookup, shapes: Shapes): LayerDetail {
  const describe = (name: string): LayerValue => {
    const stored = lookup(name)?.direct ? graph.initializers.get(name) : undefined;
    const seen = stored ?? shapes.get(name);
    const declared =
      graph.valueInfos.get(name) ?? [...graph.inputs, ...graph.outputs].find((info) => info.name === name);
    const isKnown = declared?.shape?.every((dim) => typeof dim === "number");
    return {
      name,
      dtype: seen?.dtype ?? declared?.dtype ?? null,
      dims: seen?.dims ?? (isKnown ? (declared!.shape as number[]) : null),
      constant: lookup(name) !== undefined,
    };
  };
  return {
    name: labelOf(node),
    opType: node.opType,
    domain: node.domain,
    attributes: Object.fromEntries([...node.attributes].map(([key, value]) => [key, plainAttribute(value)])),
    inputs: node.inputs.map(describe),
    outputs: node.outputs.map(describe),
  };
}

/** More numbers than a person reads. */
const MAX_LISTED = 32;

function plainAttribute(attribute: Attribute): unknown {
  switch (attribute.type) {
    case "tensor": {
      const { dtype, dims, size } = attribute.value;
      const isShort = size <= MAX_LISTED && ["float32", "int64", "int32"].includes(dtype);
      return isShort ? { dtype, dims, values: attribute.value.numbers() } : { dtype, dims };
    }
    case "graph":
      return `graph ${attribute.value.name} of ${attribute.value.nodes.length} nodes`;
    case "graphs":
      return attribute.value.map(({ name, nodes }) => `graph ${name} of ${nodes.length} nodes`);
    case "opaque":
      return "not shown";
    default:
      return attribute.value;
  }
}
