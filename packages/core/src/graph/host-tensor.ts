import type { DType } from "./dtype.js";
import type { TypedArray } from "./tensor.js";

/** A tensor in JavaScript memory, as fed to and fetched from a session. int64 data are BigInt arrays. */
export interface HostTensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly data: TypedArray;
}
