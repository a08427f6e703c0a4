import { strToU8, zipSync } from "fflate";
import { type DataFile, memoryFile } from "../../src/data/data-file.js";
import type { Dataset } from "../../src/data/dataset.js";
import type { ImageDecoder } from "../../src/data/image.js";
import { CompressionError } from "../../src/errors.js";

/** First bytes of a JPEG, so that the content is recognised as an image, then the toy format of {@link toyDecoder}. */
export function toyImage(width: number, height: number, channels: number, pixels: readonly number[]): Uint8Array {
  return Uint8Array.from([0xff, 0xd8, 0xff, width, height, channels, ...pixels]);
}

/** A 2×2 RGB toy image of one grey value. */
export const flatImage = (value: number) => toyImage(2, 2, 3, new Array<number>(12).fill(value));

export const toyDecoder: ImageDecoder = async (bytes) => ({
  width: bytes[3]!,
  height: bytes[4]!,
  channels: bytes[5]!,
  data: bytes.slice(6),
});

/** Files in memory from a table of path and content. */
export function filesOf(contents: Readonly<Record<string, Uint8Array | string>>): DataFile[] {
  return Object.entries(contents).map(([path, content]) =>
    memoryFile(path, typeof content === "string" ? strToU8(content) : content),
  );
}

export function zipOf(contents: Readonly<Record<string, Uint8Array | string>>, level: 0 | 6 = 6): Uint8Array {
  const entries = Object.entries(contents).map(([path, c]) => [path, typeof c === "string" ? strToU8(c) : c]);
  return zipSync(Object.fromEntries(entries), { level });
}

/** Minimal .npy of version 1, C order. */
export function npy(descr: string, shape: readonly number[], body: ArrayBufferView): Uint8Array {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const text = `${dict.padEnd(117)}\n`;
  const bytes = new Uint8Array(10 + text.length + body.byteLength);
  bytes.set([0x93, ...strToU8("NUMPY"), 1, 0, text.length & 255, text.length >> 8]);
  bytes.set(strToU8(text), 10);
  bytes.set(new Uint8Array(body.buffer, body.byteOffset, body.byteLength), 10 + text.length);
  return bytes;
}

/** IDX of unsigned bytes. */
export function idx(shape: readonly number[], body: readonly number[]): Uint8Array {
  const sizes = shape.flatMap((size) => [size >>> 24, (size >> 16) & 255, (size >> 8) & 255, size & 255]);
  return Uint8Array.from([0, 0, 8, shape.length, ...sizes, ...body]);
}

/** Sample `index` as plain numbers. */
export async function sampleOf(dataset: Dataset, index: number): Promise<number[]> {
  const out = new Float32Array(dataset.shape.reduce((a, b) => a * b, 1));
  await dataset.fill(index, out, 0);
  return [...out];
}

export const idsOf = (dataset: Dataset) => Array.from({ length: dataset.length }, (_, i) => dataset.id(i));
export const labelsOf = (dataset: Dataset) => Array.from({ length: dataset.length }, (_, i) => dataset.label!(i));

/** Code, message, details and hint of what `act` throws; fails when it throws nothing or something untyped. */
export async function failureOf(act: () => unknown) {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof CompressionError)) throw error;
    return { code: error.code, message: error.message, hint: error.hint ?? "", file: error.details.file };
  }
  throw new Error("nothing was thrown");
}
