import { RunError } from "../errors.js";

/** Width and height in pixels. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/** Pixels of an image that is decoded as it is: 96 MiB of RGB. Larger ones are made smaller while they are decoded. */
const WHOLE_PIXELS = 2 ** 25;
/** Pixels of an image that is decoded at all. */
const MOST_PIXELS = 0x3fff ** 2;
/** Pixels of a side: what JPEG can say. Decoders keep some rows whole. */
const MOST_SIDE = 65_535;

/** Size that the header of a PNG, JPEG, GIF, WebP or BMP declares; undefined for other files. */
export function declaredSize(bytes: Uint8Array): ImageSize | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const is = (at: number, text: string) => [...text].every((char, i) => bytes[at + i] === char.charCodeAt(0));
  if (bytes.length < 30) return undefined;
  if (is(0, "\u0089PNG")) return { width: view.getUint32(16), height: view.getUint32(20) };
  if (is(0, "GIF8")) return { width: view.getUint16(6, true), height: view.getUint16(8, true) };
  if (is(0, "BM")) return { width: Math.abs(view.getInt32(18, true)), height: Math.abs(view.getInt32(22, true)) };
  if (is(0, "\u00ff\u00d8")) return sizeOfJpeg(view);
  if (!is(0, "RIFF") || !is(8, "WEBP")) return undefined;
  const uint24 = (at: number) => view.getUint16(at, true) + (view.getUint8(at + 2) << 16);
  if (is(12, "VP8X")) return { width: 1 + uint24(24), height: 1 + uint24(27) };
  if (is(12, "VP8 ")) return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  if (!is(12, "VP8L")) return undefined;
  const bits = view.getUint32(21, true);
  return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) };
}

/** From the frame header: markers C0–CF but for C4, C8, CC. */
function sizeOfJpeg(view: DataView): ImageSize | undefined {
  for (let at = 2; at + 9 < view.byteLength && view.getUint8(at) === 0xff; ) {
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) at++;
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
      return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    else at += 2 + view.getUint16(at + 2);
  }
  return undefined;
}

/**
 * The size at which an image is decoded: its own, or, above 2²⁵ pixels, the smallest whole fraction of it that is below. No network takes
 * images of that size: they are reduced anyway, and reduced in two steps they are the same but for rounding (within 2 of 255 in our test;
 * Pillow's `reducing_gap` does the same from a factor of 2 on).
 *
 * @throws {RunError} E6001 more pixels, or a longer side, than are decoded at all.
 */
export function decodedSize({ width, height }: ImageSize, file: string): ImageSize {
  if (Math.max(width, height) > MOST_SIDE) {
    const message = `data: "${file}" has ${width} × ${height} pixels, at most ${MOST_SIDE} a side are decoded`;
    const details = { file, actual: Math.max(width, height), expected: MOST_SIDE, hint: "make the image smaller" };
    throw new RunError("E6001", message, details);
  }
  if (width * height > MOST_PIXELS) {
    const message = `data: "${file}" has ${width} × ${height} = ${width * height} pixels, at most ${MOST_PIXELS} are decoded`;
    const hint = "make the image smaller";
    throw new RunError("E6001", message, { file, actual: width * height, expected: MOST_PIXELS, hint });
  }
  const over = (by: number) => Math.ceil(width / by) * Math.ceil(height / by) > WHOLE_PIXELS;
  let by = 1;
  while (over(by)) by++;
  return { width: Math.ceil(width / by), height: Math.ceil(height / by) };
}
