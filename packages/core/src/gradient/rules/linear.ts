import { attributeOf, float, int, ints, type Node } from "../../graph/index.js";
import type { GradientContext, GradientRule } from "../context.js";

/** Y = α·A′·B′ + β·C, where ′ transposes if asked. Every gradient is again one Gemm. */
const gemm: GradientRule = (node, [dy], c) => {
  const [a, b, bias] = node.inputs as [string, string, string?];
  const transA = attributeOf(node, "transA", "int", 0) !== 0;
  const transB = attributeOf(node, "transB", "int", 0) !== 0;
  const alpha = attributeOf(node, "alpha", "float", 1);
  const beta = attributeOf(node, "beta", "float", 1);
  const product = (left: string, right: string, leftTransposed: boolean, rightTransposed: boolean) =>
    c.op("Gemm", [left, right], {
      ...(leftTransposed && { transA: int(1) }),
      ...(rightTransposed && { transB: int(1) }),
      ...(alpha !== 1 && { alpha: float(alpha) }),
    });
  let da: string | undefined;
  if (c.needs(a)) da = transA ? product(b, dy!, transB, true) : product(dy!, b, false, !transB);
  let db: string | undefined;
  if (c.needs(b)) db = transB ? product(dy!, a, true, transA) : product(a, dy!, !transA, false);
  if (!c.needs(bias)) return [da, db];
  const sum = c.unbroadcast(dy!, node.outputs[0]!, bias);
  return [da, db, beta === 1 ? sum : c.op("Mul", [sum, c.scalar(beta, bias)])];
};

/** Swaps the last two axes of a value of rank `rank`. */
function transposed(value: string, rank: number, c: GradientContext): string {
  const perm = Array.from({ length: rank }, (_, axis) => axis);
  return c.op("Transpose", [value], { perm: ints([...perm.slice(0, -2), rank - 1, rank - 2]) });
}

/** dA = dY·Bᵀ, dB = Aᵀ·dY, summed over broadcast batch axes; vectors count as a row on the left and a column on the right. */
const matMul: GradientRule = (node, [dy], c) => {
  const [a, b] = node.inputs as [string, string];
  const aDims = c.knownDims(a, node);
  const bDims = c.knownDims(b, node);
  if (aDims.length === 1 || bDims.length === 1) return vectorProduct(node, dy!, aDims, bDims, c);
  let da: string | undefined;
  if (c.needs(a)) {
    const full = c.op("MatMul", [dy!, transposed(b, bDims.length, c)]);
    da = batchSum(full, aDims, bDims, a, c);
  }
  let db: string | undefined;
  if (c.needs(b)) {
    if (bDims.length === 2 && aDims.length > 2) {
      // All rows of the batch at once: one product instead of one a sample and a sum.
      const rows = c.op("Reshape", [a, c.int64([-1, aDims.at(-1)!])]);
      const gradients = c.op("Reshape", [dy!, c.int64([-1, bDims[1]!])]);
      if (aDims.at(-1)! >= 0 && bDims[1]! >= 0) return [da, c.op("Gemm", [rows, gradients], { transA: int(1) })];
    }
    const full = c.op("MatMul", [transposed(a, aDims.length, c), dy!]);
    db = batchSum(full, bDims, aDims, b, c);
  }
  return [da, db];
};

/** Sums the batch axes that `other` added to an operand of shape `own`. */
function batchSum(full: string, own: readonly number[], other: readonly number[], target: string, c: GradientContext) {
  const rank = Math.max(own.length, other.length);
  const padded = (dims: readonly number[]) => [...Array<number>(rank - dims.length).fill(1), ...dims].slice(0, -2);
  const left = padded(own);
  const right = padded(other);
  // A free size beside a fixed one may be 1: the fixed one is what the product has.
  const dims = left.map((size, axis) => (size === 1 || (size < 0 && right[axis]! > 1) ? right[axis]! : size));
  return c.unbroadcast(full, c.describe(full, target, [...dims, ...own.slice(-2)]), target);
}

/** A vector on either side: its gradient is that of the matrix it stands for. */
function vectorProduct(
  node: Node,
  dy: string,
  aDims: readonly number[],
  bDims: readonly number[],
  c: GradientContext,
): (string | undefined)[] {
  const [a, b] = node.inputs as [string, string];
  const [row, column] = [c.int64([0]), c.int64([-1])];
  const aMatrix = aDims.length === 1 ? c.op("Unsqueeze", [a, row]) : a;
  const bMatrix = bDims.length === 1 ? c.op("Unsqueeze", [b, column]) : b;
  let g = dy;
  if (bDims.length === 1) g = c.op("Unsqueeze", [g, column]);
  if (aDims.length === 1) g = c.op("Unsqueeze", [g, bDims.length === 1 ? row : c.int64([-2])]);
  const aRank = Math.max(2, aDims.length);
  const bRank = Math.max(2, bDims.length);
  const reduce = (full: string, dims: readonly number[], other: number, vector: string) => {
    if (dims.length > 1) return full;
    const lead = Array.from({ length: Math.max(other - 2, 0) }, (_, axis) => axis);
    const sum = lead.length > 0 ? c.reduce("ReduceSum", full, lead, false) : full;
    return c.op("Reshape", [sum, c.shape(vector)]);
  };
  return [
    c.needs(a) ? reduce(c.op("MatMul", [g, transposed(bMatrix, bRank, c)]), aDims, bRank, a) : undefined,
    c.needs(b) ? reduce(c.op("MatMul", [transposed(aMatrix, aRank, c), g]), bDims, aRank, b) : undefined,
  ];
}

export const LINEAR_RULES: Record<string, GradientRule> = { Gemm: gemm, MatMul: matMul };
