import type { InspectReport } from "@equant/core";
import type { Report } from "../schema.js";
import type { GraphSummary, SummaryNode } from "./types.js";

/** Names made unique: what a selection holds means one node. */
function uniqueIds(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let id = name;
    for (let again = 2; taken.has(id); again++) id = `${name}#${again}`;
    taken.add(id);
    return id;
  });
}

/** The network that was inspected. */
export function inspectedGraph({
  nodes,
  inputs,
  outputs,
}: Pick<InspectReport, "nodes" | "inputs" | "outputs">): GraphSummary {
  const ids = uniqueIds(nodes.map(({ name }) => name));
  return {
    nodes: nodes.map(({ name, opType, inputs, outputs, bytes, macs }, at) => ({
      id: ids[at]!,
      name,
      opType,
      inputs,
      outputs,
      weightBytes: bytes,
      ...(macs !== null && { macs }),
    })),
    inputs: inputs.map(({ name }) => name),
    outputs: outputs.map(({ name }) => name),
  };
}

/** The network of a report, with what is known of its layers. It does not say where the network begins and ends. */
export function reportedGraph({ graph, layers, sqnr }: Pick<Report, "graph" | "layers" | "sqnr">): GraphSummary {
  const nodes = graph?.nodes ?? [];
  const ids = uniqueIds(nodes.map(({ name }) => name));
  const rows = new Map(layers.map((layer) => [layer.name, layer]));
  const ratios = new Map(sqnr?.layers.map(({ layer, local }) => [layer, local.both]));
  return {
    nodes: nodes.map(({ name, opType, inputs }, at): SummaryNode => {
      const layer = rows.get(name);
      const sqnrDb = ratios.get(name);
      return {
        id: ids[at]!,
        name,
        opType,
        inputs: inputs.map((input) => ids[input]!),
        outputs: [ids[at]!],
        ...(layer && { weightBytes: layer.bytesAfter, bits: layer.bits }),
        ...(sqnrDb !== undefined && { sqnrDb }),
      };
    }),
  };
}
