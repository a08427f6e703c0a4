import type { ChannelFlow, NodeFlow, ObservedShapes } from "../channels/flow.js";
import { attributeOf, labelOf, type Node } from "../graph/index.js";
import { factsOf } from "../operators/facts.js";

/** Why channels cannot leave what a node reads and makes; undefined when they can. */
export function whyFixed(flow: ChannelFlow, node: NodeFlow, shapes: ObservedShapes, opset: number): string | undefined {
  const label = `${node.node.opType} "${labelOf(node.node)}"`;
  const reason = node.reason ?? whyNodeIsFixed(flow, node, shapes, opset);
  return reason && `${label}: ${reason}`;
}

function whyNodeIsFixed(
  flow: ChannelFlow,
  { node, inputs, outputs, layer }: NodeFlow,
  shapes: ObservedShapes,
  opset: number,
): string | undefined {
  const defaulted = node.inputs.find((value) => flow.constant(value) && flow.index.isInput(value));
  if (defaulted !== undefined) return `its constant "${defaulted}" is also an input of the model`;
  const computed = (position: number) => {
    const value = node.inputs[position] ?? "";
    return value !== "" && !flow.constant(value);
  };
  if (layer) return layer.opType !== "MatMul" && computed(2) ? "its bias is computed, not constant" : undefined;
  const axis = flow.space(inputs[0]!)?.axes[0] ?? 0;
  switch (node.opType) {
    case "Reshape":
    case "Expand":
      return computed(1) ? "its target shape is computed, not constant" : undefined;
    case "Resize":
    case "Upsample":
      return computed(3) ? "its target size is computed, not constant" : undefined;
    case "Slice": {
      if (node.inputs.length < 3) return "it is written as in opset 9: upgrade the model first";
      const rank = shapes.get(inputs[0]!)!.dims.length;
      const at = slicePosition(flow, node, axis, rank);
      const step = at < 0 ? 1 : (flow.constant(node.inputs[4] ?? "")?.numbers()[at] ?? 1);
      return step === 1 ? undefined : `it takes every channel by step ${step}`;
    }
    case "Split":
      return opset < 13 ? `it is written as in opset ${opset}: upgrade the model first` : undefined;
    case "Dropout":
    case "Clip":
    case "Pad":
    case "Tile":
    case "Identity":
    case "Cast":
      return undefined;
    case "Concat":
      return node.inputs.every((value) => inputs.includes(value) || flow.constant(value))
        ? undefined
        : "one of its inputs is no float activation";
    default: {
      const parameters = factsOf(node)?.byChannel;
      if (parameters) return parameters.some(computed) ? "its parameters are computed, not constant" : undefined;
      const other = node.inputs.find((value) => value !== "" && !inputs.includes(value) && !flow.constant(value));
      if (other !== undefined && outputs.length > 0 && isElementwise(node)) {
        return `its input "${other}" is no float activation`;
      }
      return undefined;
    }
  }
}

/** Operators whose constants are broadcast against the data. */
export function isElementwise(node: Node): boolean {
  const { broadcasts } = factsOf(node) ?? {};
  return broadcasts === "all" || broadcasts === "constants";
}

/** Where a Slice names the axis among its starts and ends; −1 when it leaves the axis whole. */
export function slicePosition(flow: ChannelFlow, node: Node, axis: number, rank: number): number {
  const given = flow.constant(node.inputs[3] ?? "")?.numbers();
  const axes =
    given ??
    flow
      .constant(node.inputs[1] ?? "")
      ?.numbers()
      .map((_, at) => at) ??
    [];
  return axes.findIndex((each) => (each < 0 ? each + rank : each) === axis);
}

/** Why the number of channels of a value is seen by shape arithmetic; undefined when only other sizes are. */
export function whyShapeIsRead(flow: ChannelFlow, value: string): string | undefined {
  const axis = flow.space(value)?.axes[0] ?? 0;
  for (const { node } of flow.index.uses(value)) {
    if (node.opType === "Size") return `Size "${labelOf(node)}" counts its elements`;
    if (node.opType !== "Shape") continue;
    const start = attributeOf(node, "start", "int", 0);
    if (start !== 0 || node.attributes.has("end")) return `Shape "${labelOf(node)}" reads its sizes`;
    for (const use of flow.index.uses(node.outputs[0]!)) {
      const indices = use.node.opType === "Gather" ? flow.constant(use.node.inputs[1] ?? "")?.numbers() : undefined;
      const harmless = indices?.every((at) => at >= 0 && at !== axis);
      if (!harmless) return `Shape "${labelOf(node)}" reads its number of channels`;
    }
    if (flow.index.isOutput(node.outputs[0]!)) return `Shape "${labelOf(node)}" is an output of the model`;
  }
  return undefined;
}
