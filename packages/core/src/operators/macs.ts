import { attributeOf, labelOf, type Model, type Node, sizeOf } from "../graph/index.js";

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
  /** Nodes that multiply by a matrix or kernel, in graph order; all others count as 0. */
  readonly nodes: readonly NodeMacs[];
}

interface Operands {
  readonly kind: "conv" | "convTranspose" | "gemm" | "matmul";
  /** Positions of the two factors among the inputs. */
  readonly data: number;
  readonly weight: number;
}

const conv = { kind: "conv", data: 0, weight: 1 } as const;
const gemm = { kind: "gemm", data: 0, weight: 1 } as const;
const matmul = { kind: "matmul", data: 0, weight: 1 } as const;

/** Where the factors of each multiplying operator lie; QOperator forms interleave them with scales and zero points. */
const OPERANDS: ReadonlyMap<string, Operands> = new Map(
  Object.entries<Operands>({
    Conv: conv,
    ConvInteger: conv,
    QLinearConv: { ...conv, weight: 3 },
    ConvTranspose: { kind: "convTranspose", data: 0, weight: 1 },
    Gemm: gemm,
    MatMul: matmul,
    MatMulInteger: matmul,
    QLinearMatMul: { ...matmul, weight: 3 },
    "com.microsoft:FusedConv": conv,
    "com.microsoft:FusedGemm": gemm,
    "com.microsoft:FusedMatMul": matmul,
    "com.microsoft:MatMulIntegerToFloat": matmul,
    "com.microsoft:QGemm": { ...gemm, weight: 3 },
  }),
);

/** True for nodes that multiply by a matrix or kernel: those whose MACs count. */
export function isMultiplying(node: Node): boolean {
  return operandsOf(node) !== undefined;
}

function operandsOf({ domain, opType }: Node): Operands | undefined {
  return OPERANDS.get(domain === "" ? opType : `${domain}:${opType}`);
}

/**
 * Multiply–accumulate operations of a model, from the shapes of one run (observe them at batch 1 for figures per sample).
 *
 * Conv: outputs · C/group · kernel; ConvTranspose: inputs · M/group · kernel; Gemm and MatMul: outputs · K. Padding counts,
 * as everywhere; biases, activations and everything else do not. Nodes inside subgraphs and nodes whose shapes are
 * unknown count as 0.
 */
export function macsOf(model: Model, shapes: ValueShapes): MacsReport {
  const { initializers } = model.graph;
  const dimsOf = (value: string | undefined) =>
    value === undefined ? undefined : (shapes.get(value)?.dims ?? initializers.get(value)?.dims);
  const nodes: NodeMacs[] = [];
  let total = 0;
  for (const node of model.graph.nodes) {
    const operands = operandsOf(node);
    if (!operands) continue;
    const data = dimsOf(node.inputs[operands.data]);
    const weight = dimsOf(node.inputs[operands.weight]);
    const output = dimsOf(node.outputs[0]);
    const macs = data && weight && output ? macsOfNode(node, operands, data, weight, output) : 0;
    nodes.push({ node, name: labelOf(node), macs });
    total += macs;
  }
  return { total, nodes };
}

function macsOfNode(
  node: Node,
  { kind }: Operands,
  data: readonly number[],
  weight: readonly number[],
  output: readonly number[],
): number {
  switch (kind) {
    // Weight [M, C/group, k…]: every output value is a sum over all but the first axis.
    case "conv":
      return sizeOf(output) * sizeOf(weight.slice(1));
    // Weight [C, M/group, k…]: every input value goes to that many outputs.
    case "convTranspose":
      return sizeOf(data) * sizeOf(weight.slice(1));
    case "gemm":
      return sizeOf(output) * (data[attributeOf(node, "transA", "int", 0) === 0 ? 1 : 0] ?? 1);
    // FusedMatMul may transpose its factors.
    case "matmul": {
      const transposed = attributeOf(node, "transA", "int", 0) !== 0;
      return sizeOf(output) * (data.at(transposed && data.length > 1 ? -2 : -1) ?? 1);
    }
  }
}
