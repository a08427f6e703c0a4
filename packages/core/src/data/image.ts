import { DataError } from "../errors.js";

/** Pixels of a decoded image: 8 bits a channel, interleaved row by row. Channels: 1 grey, 3 RGB, 4 RGB and alpha. */
export interface DecodedImage {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Uint8Array;
}

/**
 * Turns the bytes of an image file into pixels. Injected, because each platform has its own (sharp in Node, the
 * browser's decoder there). Contract: as stored, so no rotation by EXIF and no colour management; `file` is for messages.
 *
 * @throws {DataError} E5002 the bytes are not a complete image.
 */
export type ImageDecoder = (bytes: Uint8Array, file: string) => Promise<DecodedImage>;

/** Throws {@link DataError} E5003 unless the image has 1, 3 or 4 channels and the pixels its size promises. */
export function requireImage(image: DecodedImage, file: string): void {
  const { width, height, channels, data } = image;
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    throw new DataError("E5003", `data: "${file}" has ${channels} channels, expected 1, 3 or 4`, {
      file,
      expected: [1, 3, 4],
      actual: channels,
      hint: "Convert the image to grey or RGB.",
    });
  }
  if (!(width >= 1 && height >= 1) || data.length !== width * height * channels) {
    const expected = width * height * channels;
    throw new DataError("E5002", `data: "${file}" has ${data.length} bytes of pixels, expected ${expected}`, {
      file,
      expected,
      actual: data.length,
      hint: "The image decoder returned an incomplete image; check the file.",
    });
  }
}

/** RGB without alpha. Grey is repeated; alpha is dropped, not blended, as Pillow's `convert("RGB")` does. */
export function toRgb(image: DecodedImage): DecodedImage {
  if (image.channels === 3) return image;
  const { width, height, channels, data } = image;
  const rgb = new Uint8Array(width * height * 3);
  const second = channels === 1 ? 0 : 1;
  for (let from = 0, to = 0; to < rgb.length; from += channels, to += 3) {
    rgb[to] = data[from]!;
    rgb[to + 1] = data[from + second]!;
    rgb[to + 2] = data[from + 2 * second]!;
  }
  return { width, height, channels: 3, data: rgb };
}

/**
 * Grey: L = 0.299 R + 0.587 G + 0.114 B (ITU-R 601), in 16-bit fixed point with rounding, which is what Pillow's
 * `convert("L")` computes: (19595 R + 38470 G + 7471 B + 32768) >> 16.
 */
export function toGray(image: DecodedImage): DecodedImage {
  if (image.channels === 1) return image;
  const { width, height, channels, data } = image;
  const gray = new Uint8Array(width * height);
  for (let from = 0, to = 0; to < gray.length; from += channels, to++) {
    gray[to] = (19595 * data[from]! + 38470 * data[from + 1]! + 7471 * data[from + 2]! + 32768) >> 16;
  }
  return { width, height, channels: 1, data: gray };
}

/**
 * A picture of another size into which the image is laid with its top left corner at (`left`, `top`): what sticks out is cut off, what it
 * does not cover is `pad` in every channel.
 */
export function framed(
  image: DecodedImage,
  left: number,
  top: number,
  { width, height }: { readonly width: number; readonly height: number },
  pad: number,
): DecodedImage {
  if (left === 0 && top === 0 && width === image.width && height === image.height) return image;
  const { channels } = image;
  const data = new Uint8Array(width * height * channels).fill(pad);
  const from = Math.max(0, -left);
  const count = Math.min(image.width - from, width - Math.max(0, left));
  if (count <= 0) return { width, height, channels, data };
  for (let y = Math.max(0, top); y < Math.min(height, top + image.height); y++) {
    const start = ((y - top) * image.width + from) * channels;
    data.set(image.data.subarray(start, start + count * channels), (y * width + Math.max(0, left)) * channels);
  }
  return { width, height, channels, data };
}
