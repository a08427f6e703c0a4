import { type DType, Tensor } from "../graph/index.js";

/** Integers as a tensor of a stored type. */
export function integerTensor(dtype: DType, dims: readonly number[], values: ArrayLike<number>): Tensor {
  switch (dtype) {
    case "int8":
      return Tensor.of(dtype, dims, Int8Array.from(values));
    case "uint8":
      return Tensor.of(dtype, dims, Uint8Array.from(values));
    case "int16":
      return Tensor.of(dtype, dims, Int16Array.from(values));
    case "uint16":
      return Tensor.of(dtype, dims, Uint16Array.from(values));
    default:
      return Tensor.of("int32", dims, Int32Array.from(values));
  }
}
