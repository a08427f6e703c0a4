import { unzlibSync } from "fflate";
import { type DataFile, extensionOf } from "../../data/data-file.js";
import { fileError, reasonOf } from "../../data/errors.js";
import type { ClassMask } from "../../data/index.js";
import { type LabelledSet, stemOf } from "./labelled-set.js";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Colour types whose pixels are one number: grey, palette. */
const ONE_NUMBER = [0, 3];
/** Pixels that are no mask any more. */
const MOST_PIXELS = 2 ** 28;

/** Masks as PNG files, one an image, under a folder of their own: pixels are class numbers, of the palette or as grey. */
export function readMasks(files: readonly DataFile[]): LabelledSet | undefined {
  const masks = files.filter(
    ({ path }) => extensionOf(path) === "png" && /(^|\/)(masks?|labels?|annotations?|segmentationclass)\//i.test(path),
  );
  const chosen = masks.length > 0 ? masks : files.every(({ path }) => extensionOf(path) === "png") ? files : [];
  if (chosen.length === 0) return undefined;
  const samples = new Map(
    chosen.map((file) => [stemOf(file.path), async () => ({ mask: readMask(await file.read(), file.path) })]),
  );
  return { format: "mask PNG", file: chosen[0]!.path, samples };
}

/**
 * Numbers of the pixels of a PNG file of one channel, 1 to 8 bits: palette positions, not colours.
 * @throws {DataError} E5002 damaged; E5004 colours, 16 bits or interlaced.
 */
export function readMask(bytes: Uint8Array, file: string): ClassMask {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const damaged = (problem: string, cause?: unknown) =>
    fileError("E5002", file, problem, "Export the mask again.", {}, cause);
  if (bytes.length < 33 || SIGNATURE.some((byte, i) => bytes[i] !== byte)) throw damaged("is no PNG file");
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const [bits, color, , , interlaced] = bytes.subarray(24, 29) as unknown as [number, number, number, number, number];
  if (!ONE_NUMBER.includes(color) || bits > 8 || interlaced !== 0) {
    const hint = "Save masks as PNG with a palette or 8-bit grey, one number a pixel, not interlaced.";
    throw fileError("E5004", file, "has no class number a pixel", hint, { actual: { color, bits, interlaced } });
  }
  if (width === 0 || height === 0 || width * height > MOST_PIXELS) throw damaged(`has ${width}x${height} pixels`);
  const parts: Uint8Array[] = [];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (at + 12 + length > bytes.length) throw damaged("is truncated");
    if (type === "IDAT") parts.push(bytes.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  const stride = Math.ceil((width * bits) / 8);
  let raw: Uint8Array;
  try {
    raw = unzlibSync(joined(parts), { out: new Uint8Array(height * (stride + 1)) });
  } catch (error) {
    throw damaged(`cannot be unpacked: ${reasonOf(error)}`, error);
  }
  return { width, height, classes: unpacked(unfiltered(raw, stride, height), width, height, stride, bits) };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Undoes the filter of every row (PNG specification, section 9); a pixel is one byte at most, so its left neighbour is the byte before. */
function unfiltered(raw: Uint8Array, stride: number, height: number): Uint8Array {
  const rows = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)];
    for (let x = 0; x < stride; x++) {
      const left = x > 0 ? rows[y * stride + x - 1]! : 0;
      const above = y > 0 ? rows[(y - 1) * stride + x]! : 0;
      const corner = x > 0 && y > 0 ? rows[(y - 1) * stride + x - 1]! : 0;
      const guess =
        filter === 1
          ? left
          : filter === 2
            ? above
            : filter === 3
              ? (left + above) >> 1
              : filter === 4
                ? paeth(left, above, corner)
                : 0;
      rows[y * stride + x] = raw[y * (stride + 1) + 1 + x]! + guess;
    }
  }
  return rows;
}

function paeth(left: number, above: number, corner: number): number {
  const estimate = left + above - corner;
  const [a, b, c] = [Math.abs(estimate - left), Math.abs(estimate - above), Math.abs(estimate - corner)];
  return a <= b && a <= c ? left : b <= c ? above : corner;
}

function unpacked(rows: Uint8Array, width: number, height: number, stride: number, bits: number): Uint8Array {
  if (bits === 8) return rows;
  const classes = new Uint8Array(width * height);
  const each = 8 / bits;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const byte = rows[y * stride + Math.floor(x / each)]!;
      classes[y * width + x] = (byte >> (8 - bits * ((x % each) + 1))) & (2 ** bits - 1);
    }
  }
  return classes;
}
