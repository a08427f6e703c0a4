import { ModelError } from "../errors.js";
import { byteLengthOf, type DType } from "./dtype.js";

/** Typed arrays that hold tensor elements; int64 and uint64 use the BigInt arrays, float16 and bfloat16 their bits. */
export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

interface ArrayType<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, byteOffset?: number, length?: number): T;
}

const ARRAYS: Partial<Record<DType, ArrayType<TypedArray>>> = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
};

/** Where the bytes of an external tensor lie, as written in the file. */
export interface ExternalLocation {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/** Number of elements of a shape; a scalar has one. */
export function sizeOf(dims: readonly number[]): number {
  let size = 1;
  for (const dim of dims) size *= dim;
  return size;
}

/**
 * A constant tensor: element type, shape, and little-endian bytes in row-major order (ONNX raw_data).
 * Immutable: a transform replaces a tensor and never writes into one, so clones and views may share it.
 * Bytes may be a view of the file's buffer or be loaded on first use (external data).
 */
export class Tensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** Set when the bytes lie in another file. */
  readonly external: ExternalLocation | undefined;
  readonly #load: () => Uint8Array;
  readonly #range: ((start: number, end: number) => Uint8Array) | undefined;

  /** `range` reads a part of bytes that are loaded on use; see {@link Tensor.bytesBetween}. */
  constructor(
    dtype: DType,
    dims: readonly number[],
    bytes: Uint8Array | (() => Uint8Array),
    external?: ExternalLocation,
    range?: (start: number, end: number) => Uint8Array,
  ) {
    this.dtype = dtype;
    this.dims = dims;
    this.external = external;
    this.#load = typeof bytes === "function" ? bytes : () => bytes;
    this.#range = range;
  }

  /** Wraps a typed array without copying it. The caller must not write into it afterwards. */
  static of(dtype: DType, dims: readonly number[], data: TypedArray): Tensor {
    const expected = sizeOf(dims);
    if (data.length !== expected) {
      throw new ModelError(
        "E3004",
        `tensor: ${data.length} values for shape [${dims.join(", ")}], expected ${expected}`,
        {
          expected,
          actual: data.length,
        },
      );
    }
    return new Tensor(dtype, dims, new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength));
  }

  static float32(dims: readonly number[], data: Float32Array | readonly number[]): Tensor {
    return Tensor.of("float32", dims, data instanceof Float32Array ? data : Float32Array.from(data));
  }

  static int64(dims: readonly number[], data: readonly (number | bigint)[]): Tensor {
    return Tensor.of(
      "int64",
      dims,
      BigInt64Array.from(data, (value) => BigInt(value)),
    );
  }

  static scalar(value: number): Tensor {
    return Tensor.float32([], [value]);
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.dims);
  }

  /** Bytes of raw_data; `undefined` only for strings and unknown types. */
  get byteLength(): number | undefined {
    return byteLengthOf(this.dtype, this.size);
  }

  /** Little-endian bytes, row-major. A view: do not write into it. External data is read now. */
  bytes(): Uint8Array {
    return this.#load();
  }

  /** Part of {@link bytes}; of external data only that part is read. For copying what is larger than memory. */
  bytesBetween(start: number, end: number): Uint8Array {
    return this.#range?.(start, end) ?? this.bytes().subarray(start, end);
  }

  /** Elements as a typed array of the stored type; a view where alignment allows, a copy otherwise. */
  array(): TypedArray {
    const Type = ARRAYS[this.dtype];
    if (!Type) throw new ModelError("E4001", `tensor: ${this.dtype} has no typed array`, { actual: this.dtype });
    const bytes = this.bytes();
    if (bytes.byteOffset % Type.BYTES_PER_ELEMENT === 0) {
      return new Type(bytes.buffer as ArrayBuffer, bytes.byteOffset, this.size);
    }
    // Not slice(): on a Node Buffer that is a view, not a copy.
    return new Type(new Uint8Array(bytes).buffer, 0, this.size);
  }

  /** Elements as numbers, for shapes, axes and other small integer tensors; int64 beyond 2^53 loses its last bits. */
  numbers(): number[] {
    return Array.from(this.array() as ArrayLike<number | bigint>, Number);
  }
}
