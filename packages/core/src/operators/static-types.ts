import { attributeOf, type DType, dtypeFromCode, type Graph, isOp, type Node, type Tensor } from "../graph/index.js";
import { groupOf, permutationOf, transposed } from "./attributes.js";
import { factsOf } from "./facts.js";

/** A shape as far as it is certain: a size that no run can change, or undefined. */
export type StaticShape = readonly (number | undefined)[];

/** What is certain about the values of a graph without running it. */
export interface StaticTypes {
  shape(value: string): StaticShape | undefined;
  dtype(value: string): DType | undefined;
}

/**
 * One pass over the nodes in order. Sizes come from graph inputs (ONNX Runtime refuses other ones at every run),
 * from initializers, and from what operators do with them. Of `value_info` only the rank and the type are believed:
 * files whose batch was made dynamic by hand often keep the old sizes there.
 */
export function inferStaticTypes(
  graph: Graph,
  constant: (value: string) => Tensor | undefined,
  outer?: StaticTypes,
): StaticTypes {
  const shapes = new Map<string, StaticShape>();
  const dtypes = new Map<string, DType>();
  for (const { name, shape, dtype } of graph.inputs) {
    if (shape) shapes.set(name, shape.map(sizeOrUndefined));
    if (dtype) dtypes.set(name, dtype);
  }
  const types: StaticTypes = {
    shape: (value) => shapes.get(value) ?? constant(value)?.dims ?? outer?.shape(value),
    dtype: (value) => dtypes.get(value) ?? constant(value)?.dtype ?? outer?.dtype(value),
  };
  const declared = new Map([...graph.outputs.map((info) => [info.name, info] as const), ...graph.valueInfos]);
  for (const node of graph.nodes) {
    const output = node.outputs[0] ?? "";
    if (output === "") continue;
    const info = declared.get(output);
    const shape = shapeOf(node, types, constant) ?? info?.shape?.map(() => undefined);
    const dtype = dtypeOf(node, types) ?? info?.dtype;
    if (shape) shapes.set(output, shape);
    if (dtype) dtypes.set(output, dtype);
  }
  return types;
}

function sizeOrUndefined(dim: number | string | undefined): number | undefined {
  return typeof dim === "number" && dim > 0 ? dim : undefined;
}

function dtypeOf(node: Node, types: StaticTypes): DType | undefined {
  if (node.domain !== "") return undefined;
  if (node.opType === "Cast") return dtypeFromCode(attributeOf(node, "to", "int", 0));
  const { output } = factsOf(node) ?? {};
  if (output === "index") return "int64";
  return output === undefined ? undefined : types.dtype(node.inputs[0] ?? "");
}

function shapeOf(
  node: Node,
  types: StaticTypes,
  constant: (value: string) => Tensor | undefined,
): StaticShape | undefined {
  if (node.domain !== "") return undefined;
  const first = types.shape(node.inputs[0] ?? "");
  const second = types.shape(node.inputs[1] ?? "");
  const { opType } = node;
  const { output, broadcasts, kind } = factsOf(node) ?? {};
  if (output === "same") return first;
  if (broadcasts === "all") return broadcast(node.inputs.map((value) => types.shape(value)));
  if (kind === "pool") return first && [first[0], first[1], ...first.slice(2).map(() => undefined)];
  if (kind === "globalPool") return first && [first[0], first[1], ...first.slice(2).map(() => 1)];
  if (isOp(node, "Conv", "ConvTranspose")) {
    if (!second) return undefined;
    const channels = opType === "Conv" ? second[0] : second[1] && second[1] * groupOf(node);
    return [first?.[0], channels, ...second.slice(2).map(() => undefined)];
  }
  if (opType === "Gemm") {
    const { a, b } = transposed(node);
    return [first?.[a ? 1 : 0], second?.[b ? 0 : 1]];
  }
  if (opType === "MatMul") {
    if (!first || first.length < 2 || second?.length !== 2) return undefined;
    return [...first.slice(0, -1), second[1]];
  }
  if (opType === "Flatten") return [undefined, undefined];
  if (opType === "Pad") return first?.map(() => undefined);
  if (opType === "Concat") return first?.map(() => undefined);
  if (opType === "Transpose") {
    return first && permutationOf(node, first.length)?.map((axis) => first[axis]);
  }
  if (opType === "Reshape") {
    const target = constant(node.inputs[1] ?? "")?.numbers();
    return target?.map((size) => (size > 0 ? size : undefined));
  }
  return undefined;
}

/** Multidirectional broadcasting; a size that may or may not be 1 stays unknown unless another input decides it. */
function broadcast(shapes: readonly (StaticShape | undefined)[]): StaticShape | undefined {
  const known = shapes.filter((shape) => shape !== undefined);
  if (known.length !== shapes.length || known.length === 0) return undefined;
  const rank = Math.max(...known.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = known.map((shape) => (axis < rank - shape.length ? 1 : shape[axis - (rank - shape.length)]));
    const large = sizes.find((size) => size !== undefined && size > 1);
    if (large !== undefined) return large;
    return sizes.every((size) => size === 1) ? 1 : undefined;
  });
}
