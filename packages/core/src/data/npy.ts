import { type ArrayLayout, openRanges, rowMajorSource, type WholeArray } from "./array-source.js";
import type { DataFile } from "./data-file.js";
import { decodeElements, type ElementType, elementBytes } from "./elements.js";
import { fileError, truncatedError } from "./errors.js";
import { elementCount } from "./input.js";

const TYPES: ReadonlyMap<string, ElementType> = new Map(
  Object.entries<ElementType>({
    b1: "bool",
    u1: "uint8",
    i1: "int8",
    u2: "uint16",
    i2: "int16",
    u4: "uint32",
    i4: "int32",
    u8: "uint64",
    i8: "int64",
    f2: "float16",
    f4: "float32",
    f8: "float64",
  }),
);

/** Axes that numpy allows. */
const MAX_RANK = 64;

/** Longest header read; numpy's own are a few hundred bytes. */
const MAX_HEADER_BYTES = 2 ** 20;

export interface NpyHeader extends ArrayLayout {
  /** First index runs fastest. */
  readonly fortran: boolean;
}

function damaged(file: string, problem: string, hint = "Write the file again with numpy.save."): Error {
  return fileError("E5002", file, problem, hint);
}

/**
 * Reads an .npy header: `\x93NUMPY`, version, header length (2 bytes in version 1, 4 in versions 2 and 3, little
 * endian), then a Python dict of descr, fortran_order and shape (numpy.lib.format).
 */
export async function readNpyHeader(file: DataFile): Promise<NpyHeader> {
  const start = await file.read(0, 12);
  if (start.length < 12 || start[0] !== 0x93) throw damaged(file.path, "is not a complete .npy file");
  const version = start[6]!;
  if (version < 1 || version > 3) throw damaged(file.path, `has .npy version ${version}, expected 1-3`);
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const textStart = version === 1 ? 10 : 12;
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > MAX_HEADER_BYTES) throw damaged(file.path, `has an .npy header of ${length} bytes`);
  const offset = textStart + length;
  const header = await file.read(textStart, offset);
  if (header.length < length) throw truncatedError(file.path, offset, textStart + header.length);
  const text = new TextDecoder().decode(header);
  const descr = /'descr'\s*:\s*'([<>|=])([a-zA-Z]\d+)'/.exec(text);
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text);
  const sizes = /'shape'\s*:\s*\(([\d,\sL]*)\)/.exec(text);
  if (!order || !sizes) throw damaged(file.path, "has an .npy header that cannot be read");
  const dtype = descr && TYPES.get(descr[2]!);
  if (!dtype) {
    const actual = /'descr'\s*:\s*(\[.*?\]|'[^']*')/.exec(text)?.[1] ?? "unknown";
    throw damaged(file.path, `holds elements of type ${actual}`, "Save numbers: array.astype('float32') or 'uint8'.");
  }
  const shape = (sizes[1]!.match(/\d+/g) ?? []).map(Number);
  if (shape.length > MAX_RANK) throw damaged(file.path, `has ${shape.length} axes, expected at most ${MAX_RANK}`);
  const expected = offset + elementCount(shape) * elementBytes(dtype);
  const actual = await file.size();
  if (!(actual >= expected)) throw truncatedError(file.path, expected, actual);
  return { dtype, little: descr[1] !== ">", shape, offset, fortran: order[1] === "True" };
}

/** Position in Fortran order of every element in row-major order, for one slice along the first axis. */
function fortranPositions(shape: readonly number[]): Uint32Array {
  const inner = shape.slice(1);
  const positions = new Uint32Array(elementCount(inner));
  for (let i = 0; i < positions.length; i++) {
    let rest = i;
    let position = 0;
    for (let axis = inner.length - 1; axis >= 0; axis--) {
      const size = inner[axis]!;
      const stride = elementCount(shape.slice(0, axis + 1));
      position += (rest % size) * stride;
      rest = Math.floor(rest / size);
    }
    positions[i] = position;
  }
  return positions;
}

/**
 * Opens an .npy file. Row-major arrays are read sample by sample; a Fortran-ordered one has every sample spread over
 * the whole file and is read whole.
 *
 * @throws {DataError} E5002 the file is damaged, truncated, or holds no numbers.
 */
export async function openNpy(file: DataFile, keep = true): Promise<WholeArray> {
  const header = await readNpyHeader(file);
  // Without samples the order does not matter, and the other sizes are no more than a claim.
  if (!header.fortran || header.shape.length < 2 || header.shape[0] === 0)
    return rowMajorSource(file, await openRanges(file, keep), header);
  const { dtype, little, shape, offset } = header;
  const end = offset + elementCount(shape) * elementBytes(dtype);
  const values = decodeElements(await file.read(offset, end), dtype, little);
  const positions = fortranPositions(shape);
  const gather = (first: number, count: number) => {
    const total = count * positions.length;
    const out = dtype === "uint8" ? new Uint8Array(total) : new Float64Array(total);
    for (let i = 0, to = 0; i < count; i++) {
      for (const position of positions) out[to++] = values[first + i + position]!;
    }
    return out;
  };
  return { file: file.path, dtype, shape, sample: (index) => gather(index, 1), all: () => gather(0, shape[0]!) };
}
