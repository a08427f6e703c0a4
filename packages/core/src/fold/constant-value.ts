import { attributeOf, type Node, sizeOf, Tensor } from "../graph/index.js";
import type { FoldScope } from "./fold-scope.js";

/** What a Constant node holds, in all forms of ONNX; or the reason why it stays a node. */
export function constantValue(node: Node): Tensor | string {
  const [name, attribute] =
    [...node.attributes].find(([key]) => key.startsWith("value") || key === "sparse_value") ?? [];
  switch (attribute?.type) {
    case "tensor":
      return attribute.value;
    case "float":
      return Tensor.float32([], [attribute.value]);
    case "floats":
      return Tensor.float32([attribute.value.length], attribute.value);
    case "int":
      return Tensor.int64([], [toInt64(attribute.value)]);
    case "ints":
      return Tensor.int64([attribute.value.length], attribute.value.map(toInt64));
    case "string":
    case "strings":
      return "it holds text";
    default:
      return name === "sparse_value" ? "it holds a sparse tensor" : "it holds no value";
  }
}

/** Attributes are read as doubles; the limits of int64, «to the end» in Slice, are no exact doubles. */
export function toInt64(value: number): bigint {
  if (value >= 2 ** 63) return 2n ** 63n - 1n;
  return value <= -(2 ** 63) ? -(2n ** 63n) : BigInt(value);
}

/**
 * Shape or Size of a value whose sizes no run can change: a constant, or a graph input with every size declared.
 * ONNX Runtime refuses other sizes for such an input.
 */
export function staticShapeValue(scope: FoldScope, node: Node): Tensor | undefined {
  const value = node.inputs[0]!;
  const dims = scope.constant(value)?.dims ?? (isMainInput(scope, value) ? scope.types.shape(value) : undefined);
  if (!dims?.every((size) => size !== undefined)) return undefined;
  if (node.opType === "Size") return Tensor.int64([], [sizeOf(dims)]);
  const start = attributeOf(node, "start", "int", 0);
  const end = attributeOf(node, "end", "int", dims.length);
  // Both count from the end when negative and are clamped, as in Array.prototype.slice.
  const part = dims.slice(start, end);
  return Tensor.int64([part.length], part);
}

function isMainInput(scope: FoldScope, value: string): boolean {
  return scope.model.graph.inputs.some(({ name }) => name === value);
}

/** Bytes of what an operator that makes tensors from sizes will produce; undefined when it is none of those. */
export function predictedBytes(scope: FoldScope, node: Node): number | undefined {
  const numbers = (index: number) => scope.constant(node.inputs[index] ?? "")?.numbers();
  const data = scope.constant(node.inputs[0] ?? "");
  const perElement = data && data.size > 0 ? (data.byteLength ?? 0) / data.size : 1;
  switch (node.opType) {
    case "ConstantOfShape": {
      const value = attributeOf(node, "value", "tensor", undefined);
      return sizeOf(numbers(0) ?? []) * (value?.byteLength ?? 4);
    }
    case "Expand": {
      const shape = numbers(1) ?? [];
      const dims = data?.dims ?? [];
      const rank = Math.max(shape.length, dims.length);
      const at = (sizes: readonly number[], axis: number) => sizes[axis - (rank - sizes.length)] ?? 1;
      return sizeOf(Array.from({ length: rank }, (_, axis) => Math.max(at(shape, axis), at(dims, axis)))) * perElement;
    }
    case "Tile":
      return sizeOf(numbers(1) ?? []) * (data?.byteLength ?? 0);
    case "Range": {
      const [start = 0, limit = 0, delta = 1] = [numbers(0)?.[0], numbers(1)?.[0], numbers(2)?.[0]];
      return Math.max(0, Math.ceil((limit - start) / delta)) * perElement;
    }
    default:
      return undefined;
  }
}
