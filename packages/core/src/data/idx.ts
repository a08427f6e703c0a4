import { openRanges, rowMajorSource, type WholeArray } from "./array-source.js";
import type { DataFile } from "./data-file.js";
import { baseName } from "./data-file.js";
import { type ElementType, elementBytes } from "./elements.js";
import { fileError, truncatedError } from "./errors.js";
import { elementCount } from "./input.js";

/** Third byte of the magic number. */
const TYPES: Readonly<Record<number, ElementType>> = {
  8: "uint8",
  9: "int8",
  11: "int16",
  12: "int32",
  13: "float32",
  14: "float64",
};

/** True for the first bytes of an IDX file: two zeros, a known type, a sensible number of dimensions. */
export function isIdx(head: Uint8Array): boolean {
  return (
    head.length >= 4 &&
    head[0] === 0 &&
    head[1] === 0 &&
    TYPES[head[2]!] !== undefined &&
    head[3]! >= 1 &&
    head[3]! <= 8
  );
}

/**
 * Opens an IDX file (LeCun's MNIST format): 0 0 type rank, then one 32-bit size a dimension, then the elements, all
 * big endian.
 *
 * @throws {DataError} E5002 the file is damaged or truncated.
 */
export async function openIdx(file: DataFile): Promise<WholeArray> {
  const head = await file.read(0, 4 + 8 * 4);
  if (!isIdx(head)) throw fileError("E5002", file.path, "is not an IDX file", "Check the file; MNIST's are IDX.");
  const dtype = TYPES[head[2]!]!;
  const rank = head[3]!;
  const offset = 4 + 4 * rank;
  if (head.length < offset) throw truncatedError(file.path, offset, head.length);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const expected = offset + elementCount(shape) * elementBytes(dtype);
  const actual = await file.size();
  if (!(actual >= expected)) throw truncatedError(file.path, expected, actual);
  return rowMajorSource(file, await openRanges(file), { dtype, little: false, shape, offset });
}

/** Name without the words that tell images from labels: equal for the two files of a pair. */
export function idxPairKey(path: string): string {
  return baseName(path)
    .toLowerCase()
    .replace(/\.gz$/, "")
    .replace(/images?|labels?/, "*")
    .replace(/idx\d/, "idx");
}
