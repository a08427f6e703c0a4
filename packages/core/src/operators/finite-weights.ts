import { ModelError } from "../errors.js";
import { type Graph, isOp, type Model, subgraphsOf } from "../graph/document.js";
import type { Tensor } from "../graph/tensor.js";
import { tensorsOf } from "../graph/tensors-of.js";
import { factsOf, type OperatorFacts } from "./facts.js";

/** A value of a weight that is not finite. */
export interface NonFinite {
  /** Name of the initializer, or of the Constant node's output. */
  readonly tensor: string;
  /** Position in storage order, and along each axis. */
  readonly index: number;
  readonly position: readonly number[];
  readonly value: number;
  /** How many values of the tensor are not finite. */
  readonly count: number;
}

/** Whether constants are learned. Infinity elsewhere is legal: bounds of Clip, masks that are added. */
const isLearned = (facts: OperatorFacts | undefined) =>
  facts?.learned !== undefined && facts.kind !== "arithmetic" && facts.kind !== "select";

/** The first NaN or infinity of every weight. NaN counts in every constant, infinity only where learned values stand. */
export function nonFiniteWeights(model: Model): NonFinite[] {
  const found: NonFinite[] = [];
  const learned = new Set<string>();
  collectLearned(model.graph, learned);
  for (const { tensor, name, node } of tensorsOf(model)) {
    const test = TESTS[tensor.dtype];
    if (!test) continue;
    const value = node === undefined ? name : (node.outputs[0] ?? "");
    const first = scan(tensor, test, learned.has(value));
    if (first) found.push({ tensor: node === undefined || !isOp(node, "Constant") ? name : value, ...first });
  }
  return found;
}

/** @throws {ModelError} E3006 naming the first tensor with NaN or infinite weights, and where in it. */
export function assertFiniteWeights(model: Model): void {
  const [first, ...others] = nonFiniteWeights(model);
  if (!first) return;
  const { tensor, index, position, value, count } = first;
  const more = others.length > 0 ? `, and ${others.length} more tensors` : "";
  throw new ModelError(
    "E3006",
    `weights: "${tensor}" holds ${value} at [${position.join(", ")}] (${count} values of it are not finite${more})`,
    {
      tensor,
      index,
      actual: String(value),
      hint: "the training diverged or the export went wrong: check the weights in the framework they come from",
    },
  );
}

function collectLearned(graph: Graph, into: Set<string>): void {
  for (const node of graph.nodes) {
    if (isLearned(factsOf(node))) for (const input of node.inputs) into.add(input);
    for (const inner of subgraphsOf(node)) collectLearned(inner, into);
  }
}

type Test = (tensor: Tensor) => { at(index: number): number | undefined };

/** Elements as numbers of which only NaN and infinity matter. */
const TESTS: Partial<Record<Tensor["dtype"], Test>> = {
  float32: (tensor) => tensor.array() as Float32Array,
  float64: (tensor) => tensor.array() as Float64Array,
  float16: (tensor) => halves(tensor, 0x7c00, 0x03ff),
  bfloat16: (tensor) => halves(tensor, 0x7f80, 0x007f),
};

/** Reads 16-bit floats only as far as finite or not: all exponent bits set is infinity, or NaN with a mantissa. */
function halves(tensor: Tensor, exponent: number, mantissa: number): { at(index: number): number } {
  const bits = tensor.array() as Uint16Array;
  return {
    at(index) {
      const value = bits[index]!;
      if ((value & exponent) !== exponent) return 0;
      return (value & mantissa) !== 0 ? Number.NaN : value >= 0x8000 ? -Infinity : Infinity;
    },
  };
}

function scan(tensor: Tensor, test: Test, infinityCounts: boolean): Omit<NonFinite, "tensor"> | undefined {
  const values = test(tensor);
  if (values instanceof Float32Array || values instanceof Float64Array) {
    if (allFinite(values)) return undefined;
  }
  const { size } = tensor;
  let index = -1;
  let count = 0;
  for (let i = 0; i < size; i++) {
    const value = values.at(i)!;
    if (Number.isFinite(value) || (!infinityCounts && !Number.isNaN(value))) continue;
    if (count++ === 0) index = i;
  }
  if (count === 0) return undefined;
  return { index, position: positionOf(index, tensor.dims), value: values.at(index)!, count };
}

/** Whether there is neither NaN nor infinity: x − x is 0 for every other number. */
function allFinite(values: Float32Array | Float64Array): boolean {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! - values[i]!;
  return sum === 0;
}

function positionOf(flat: number, dims: readonly number[]): number[] {
  const position: number[] = [];
  let rest = flat;
  for (const dim of [...dims].reverse()) {
    position.unshift(rest % dim);
    rest = Math.floor(rest / dim);
  }
  return position;
}
