import type { Graph, Node } from "../graph/document.js";
import type { Tensor } from "../graph/tensor.js";
import { groupOf, transposed } from "./attributes.js";
import { factsOf } from "./facts.js";

/**
 * A layer that multiplies its input by a constant weight: Conv, ConvTranspose, Gemm, MatMul.
 * The one place that knows the channel axes of every weight; everybody who touches weights by channel asks here.
 *
 * Weight shapes: Conv [M, C/group, k…]; ConvTranspose [C, M/group, k…]; Gemm [K, N], transB: [N, K]; MatMul […, K, N].
 */
export interface LinearLayer {
  readonly node: Node;
  readonly opType: "Conv" | "ConvTranspose" | "Gemm" | "MatMul";
  /** Name of the data input and output values. */
  readonly input: string;
  readonly output: string;
  /** Name and value of the weight initializer. */
  readonly weight: string;
  readonly tensor: Tensor;
  /** Name of the bias initializer, when the node has one. */
  readonly bias: string | undefined;
  /** Channels of the output and of the input. */
  readonly outChannels: number;
  readonly inChannels: number;
  /** Weight axis along which output channels lie (within a group for ConvTranspose), and input channels (within a group for Conv). */
  readonly outAxis: number;
  readonly inAxis: number;
  readonly group: number;
  /** One input channel and one or more output channels a group. */
  readonly depthwise: boolean;
  /** Product of the kernel's spatial sizes; 1 for Gemm and MatMul. */
  readonly kernelArea: number;
  /** Slides over space: Conv and ConvTranspose. Their channels lie along axis 1, those of Gemm and MatMul along the last. */
  readonly convolves: boolean;
}

/** A node that multiplies by a weight, constant or not. */
export function isLayer(node: Node | undefined): node is Node & { opType: LinearLayer["opType"]; domain: "" } {
  return factsOf(node)?.kind === "layer";
}

/** The layer a node is, or undefined when it is none, or its weight is computed rather than constant. */
export function linearLayerOf(graph: Graph, node: Node): LinearLayer | undefined {
  if (!isLayer(node)) return undefined;
  const weight = node.inputs[1] ?? "";
  const tensor = graph.initializers.get(weight);
  if (!tensor) return undefined;
  const bias = node.inputs[2] ?? "";
  const common = {
    node,
    input: node.inputs[0]!,
    output: node.outputs[0]!,
    weight,
    tensor,
    bias: bias !== "" && graph.initializers.has(bias) ? bias : undefined,
  };
  const dims = tensor.dims;
  const spatial = dims.slice(2).reduce((product, size) => product * size, 1);
  switch (node.opType) {
    case "Conv": {
      const group = groupOf(node);
      if (dims.length < 3 || group < 1 || dims[0]! % group !== 0) return undefined;
      return {
        ...common,
        opType: "Conv",
        outChannels: dims[0]!,
        inChannels: dims[1]! * group,
        outAxis: 0,
        inAxis: 1,
        group,
        depthwise: group > 1 && dims[1] === 1,
        kernelArea: spatial,
        convolves: true,
      };
    }
    case "ConvTranspose": {
      const group = groupOf(node);
      if (dims.length < 3 || group < 1 || dims[0]! % group !== 0) return undefined;
      return {
        ...common,
        opType: "ConvTranspose",
        outChannels: dims[1]! * group,
        inChannels: dims[0]!,
        outAxis: 1,
        inAxis: 0,
        group,
        depthwise: group > 1 && dims[0] === group,
        kernelArea: spatial,
        convolves: true,
      };
    }
    default: {
      const { a, b } = transposed(node);
      if (dims.length < 2 || a) return undefined;
      const outAxis = b ? dims.length - 2 : dims.length - 1;
      const inAxis = b ? dims.length - 1 : dims.length - 2;
      return {
        ...common,
        opType: node.opType,
        outChannels: dims[outAxis]!,
        inChannels: dims[inAxis]!,
        outAxis,
        inAxis,
        group: 1,
        depthwise: false,
        kernelArea: 1,
        convolves: false,
      };
    }
  }
}

/** All linear layers of a graph, in node order. */
export function linearLayers(graph: Graph): LinearLayer[] {
  return graph.nodes.flatMap((node) => linearLayerOf(graph, node) ?? []);
}

/** Where each weight belongs: calls `visit(flat index, output channel, input channel)` for every element, in storage order. */
export function forEachWeight(layer: LinearLayer, visit: (flat: number, out: number, input: number) => void): void {
  const { tensor, opType, group, outChannels, inChannels } = layer;
  const dims = tensor.dims;
  if (!layer.convolves) {
    const outStride = layer.outAxis === dims.length - 1 ? 1 : inChannels;
    const inStride = layer.inAxis === dims.length - 1 ? 1 : outChannels;
    const matrix = outChannels * inChannels;
    for (let flat = 0; flat < tensor.size; flat++) {
      const within = flat % matrix;
      visit(flat, Math.floor(within / outStride) % outChannels, Math.floor(within / inStride) % inChannels);
    }
    return;
  }
  const [rows = 0, columns = 0] = dims;
  const area = layer.kernelArea;
  const rowsPerGroup = rows / group;
  for (let row = 0, flat = 0; row < rows; row++) {
    const base = Math.floor(row / rowsPerGroup) * columns;
    for (let column = 0; column < columns; column++) {
      const out = opType === "Conv" ? row : base + column;
      const input = opType === "Conv" ? base + column : row;
      for (let k = 0; k < area; k++, flat++) visit(flat, out, input);
    }
  }
}
