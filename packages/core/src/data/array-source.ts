import type { DataFile } from "./data-file.js";
import { decodeElements, type ElementType, elementBytes } from "./elements.js";
import { truncatedError } from "./errors.js";
import { elementCount } from "./input.js";

export type Values = ArrayLike<number>;

/** An array in a file: `shape[0]` samples of shape `shape.slice(1)`, each read when it is asked for. */
export interface ArraySource {
  readonly file: string;
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  /** Elements of sample `index`, row-major. At once where they are in memory. */
  sample(index: number): Values | Promise<Values>;
}

/** An {@link ArraySource} that can also be read whole, as labels are. */
export interface WholeArray extends ArraySource {
  all(): Values | Promise<Values>;
}

/** Arrays up to this size are read once and kept; of larger ones, only the samples asked for are read. */
const KEEP_BYTES = 64 * 2 ** 20;

/** Reads byte ranges: at once from memory for a file small enough to keep, otherwise from the file. */
export type RangeReader = (start: number, end: number) => Uint8Array | Promise<Uint8Array>;

/** @param keep false where many files are open together, so that memory does not grow with their number. */
export async function openRanges(file: DataFile, keep = true): Promise<RangeReader> {
  if (!keep || (await file.size()) > KEEP_BYTES) return (start, end) => file.read(start, end);
  const bytes = await file.read();
  return (start, end) => bytes.subarray(start, end);
}

/** Elements that lie row-major in a file from byte `offset` on. */
export interface ArrayLayout {
  readonly dtype: ElementType;
  readonly little: boolean;
  readonly shape: readonly number[];
  readonly offset: number;
}

/** @param stride Elements from the start of one sample to the start of the next. Default: no gap and no overlap. */
export function rowMajorSource(
  file: DataFile,
  ranges: RangeReader,
  layout: ArrayLayout,
  stride = elementCount(layout.shape.slice(1)),
): WholeArray {
  const { dtype, little, shape, offset } = layout;
  const size = elementBytes(dtype);
  const read = (start: number, count: number): Values | Promise<Values> => {
    const from = offset + start * size;
    const decode = (bytes: Uint8Array) => {
      if (bytes.length < count * size) throw truncatedError(file.path, from + count * size, from + bytes.length);
      return decodeElements(bytes, dtype, little);
    };
    const bytes = ranges(from, from + count * size);
    return bytes instanceof Promise ? bytes.then(decode) : decode(bytes);
  };
  const perSample = elementCount(shape.slice(1));
  return {
    file: file.path,
    dtype,
    shape,
    sample: (index) => read(index * stride, perSample),
    all: () => read(0, elementCount(shape)),
  };
}
