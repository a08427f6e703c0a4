import {
  type Dim,
  type Graph,
  labelOf,
  type Model,
  type Node,
  requiredInputs,
  subgraphsOf,
  tensorsOf,
  type ValueInfo,
} from "../graph/index.js";
import { groupOf } from "../operators/attributes.js";
import { factsOf } from "../operators/facts.js";
import { isMultiplying, macsOf } from "../operators/macs.js";
import { findingsOf } from "./inspect-findings.js";
import { quantizability } from "./inspect-quantizable.js";
import type {
  InspectedNode,
  InspectedOperator,
  InspectedValue,
  InspectOptions,
  InspectReport,
} from "./inspect-report.js";
import { isQuantized } from "./int8-coverage.js";
import { type ConstantLookup, constantLookup, countParameters } from "./parameter-count.js";
import { weightRanges } from "./weight-ranges.js";

/**
 * Structure of a model: operators, parameters, operations, bytes, ranges of the weights, and what stands in the way of
 * quantizing it. Looks at the weights, runs nothing.
 * @example const report = await inspectModel(model, { shapes: await observeShapes(model, zeroFeeds(model), { runner }) });
 */
export async function inspectModel(model: Model, options: InspectOptions = {}): Promise<InspectReport> {
  const shapes = options.shapes ?? declaredShapes(model.graph);
  const counted = countParameters(model);
  const counts = macsOf(model, shapes);
  const macs = new Map(counts.nodes.map(({ node, macs }) => [node, macs]));
  const ranges = options.ranges ?? (await weightRanges(model));
  const nodes: InspectedNode[] = [];
  const visit = (graph: Graph, isInner: boolean, outer?: ConstantLookup) => {
    const lookup = constantLookup(graph, outer);
    for (const node of graph.nodes) {
      const own = counted.byNode.get(node);
      const kind = kindOf(node, lookup);
      nodes.push({
        name: labelOf(node),
        opType: kind,
        domain: node.domain,
        inputs: node.inputs,
        outputs: node.outputs,
        parameters: own?.parameters ?? 0,
        bytes: own?.bytes ?? 0,
        macs: macsAt(node, macs),
        outputShape: shapes.get(node.outputs[0] ?? "")?.dims ?? null,
        ...quantizability(node, lookup, isInner),
      });
      for (const inner of subgraphsOf(node)) visit(inner, true, lookup);
    }
  };
  visit(model.graph, false);
  const weightBytes = [...tensorsOf(model)].reduce((sum, { tensor }) => sum + (tensor.byteLength ?? 0), 0);
  const hasMacs = counts.uncounted.length === 0;
  return {
    opset: model.opsets.get("") ?? null,
    opsets: Object.fromEntries([...model.opsets].map(([domain, version]) => [domain || "ai.onnx", version])),
    irVersion: model.irVersion,
    producer: [model.producerName, model.producerVersion].filter((part) => part !== "").join(" "),
    inputs: requiredInputs(model.graph).map(describeValue),
    outputs: model.graph.outputs.map(describeValue),
    quantized: isQuantized(model),
    parameters: counted.parameters,
    parametersWithStatistics: counted.parametersWithStatistics,
    macs: hasMacs ? nodes.reduce((sum, node) => sum + (node.macs ?? 0), 0) : null,
    bytes: options.bytes ?? weightBytes,
    weightBytes,
    operators: operatorsOf(nodes),
    nodes,
    weights: ranges.layers,
    findings: findingsOf(model, { nodes, ranges, hasMacs }),
  };
}

/** Counted MACs, 0 for operators that do not multiply, null where a size is missing. */
function macsAt(node: Node, macs: ReadonlyMap<Node, number>): number | null {
  return isMultiplying(node) ? macs.get(node) || null : 0;
}

/** Depthwise convolutions behave differently in quantization: counted apart. */
function kindOf(node: Node, lookup: ConstantLookup): string {
  const macs = factsOf(node)?.macs;
  if (macs?.formula === "conv" && groupOf(node) > 1) {
    if (lookup(node.inputs[macs.weight] ?? "")?.tensor.dims[1] === 1)
      return node.opType === "Conv" ? "DepthwiseConv" : node.opType;
  }
  return node.domain === "" ? node.opType : `${node.domain}:${node.opType}`;
}

function operatorsOf(nodes: readonly InspectedNode[]): InspectedOperator[] {
  const rows = new Map<string, InspectedOperator>();
  for (const { opType, parameters, macs, bytes, quantizable } of nodes) {
    const row = rows.get(opType) ?? { opType, count: 0, parameters: 0, macs: null, bytes: 0, quantizable };
    rows.set(opType, {
      opType,
      count: row.count + 1,
      parameters: row.parameters + parameters,
      macs: macs === null && row.macs === null ? null : (row.macs ?? 0) + (macs ?? 0),
      bytes: row.bytes + bytes,
      // One node that stays float is worth seeing.
      quantizable: quantizable === row.quantizable ? quantizable : "partly",
    });
  }
  return [...rows.values()].sort(
    (a, b) => b.parameters - a.parameters || b.count - a.count || (a.opType < b.opType ? -1 : 1),
  );
}

/** Sizes the file declares, an open first one (the batch) as 1; values with other open sizes are left out. */
function declaredShapes(graph: Graph): Map<string, { dims: readonly number[] }> {
  const shapes = new Map<string, { dims: readonly number[] }>();
  const add = (name: string, shape: readonly Dim[] | undefined) => {
    const dims = shape?.map((dim, axis) => (typeof dim === "number" && dim > 0 ? dim : axis === 0 ? 1 : undefined));
    if (dims?.every((dim) => dim !== undefined)) shapes.set(name, { dims: dims as number[] });
  };
  for (const info of [...graph.valueInfos.values(), ...graph.outputs, ...graph.inputs]) add(info.name, info.shape);
  for (const [name, tensor] of graph.initializers) shapes.set(name, { dims: tensor.dims });
  return shapes;
}

function describeValue({ name, dtype, shape }: ValueInfo): InspectedValue {
  return { name, dtype: dtype ?? null, shape: shape?.map((dim) => dim ?? null) ?? null };
}
