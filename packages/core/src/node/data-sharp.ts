import { fileError, reasonOf } from "../data/errors.js";
import type { DecodedImage, ImageDecoder } from "../data/image.js";
import { declaredSize, decodedSize } from "../data/image-size.js";
import { CompressionError, RunError } from "../errors.js";

/** The part of sharp's pipeline that decoding needs; core is typed without depending on sharp. */
interface SharpPipeline {
  metadata(): Promise<{ space?: string; width?: number; height?: number }>;
  removeAlpha(): SharpPipeline;
  pipelineColourspace(space: string): SharpPipeline;
  toColourspace(space: string): SharpPipeline;
  resize(width: number, height: number, options: { fit: "fill"; kernel: "cubic" }): SharpPipeline;
  raw(): SharpPipeline;
  toBuffer(options: { resolveWithObject: true }): Promise<{
    data: Uint8Array;
    info: { width: number; height: number; channels: number };
  }>;
}

/** The function that `import sharp from "sharp"` gives. */
export type Sharp = (
  input: Uint8Array,
  options: { failOn: "truncated"; ignoreIcc: boolean; sequentialRead: boolean },
) => SharpPipeline;

/** CMYK to RGB without profiles, as Pillow converts: each ink darkens what black leaves, R = (255 − K)(255 − C) / 255. */
function cmykToRgb({ width, height, data }: DecodedImage): DecodedImage {
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    const white = 255 - data[from + 3]!;
    for (let ink = 0; ink < 3; ink++) {
      rgb[to + ink] = Math.max(0, white - Math.floor((data[from + ink]! * white) / 255 + 0.5));
    }
  }
  return { width, height, channels: 3, data: rgb };
}

/**
 * Whether a JPEG has four components, from its frame header (markers C0–CF but for C4, C8, CC); other formats: whether
 * they can be CMYK at all. Asking sharp costs a fifth of decoding a 224×224 JPEG (measured).
 */
function mayBeCmyk(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return bytes[0] === 0x49 || bytes[0] === 0x4d; // TIFF: II or MM
  for (let at = 2; at + 9 < bytes.length; ) {
    if (bytes[at] !== 0xff) return true; // Not where a marker should be: let sharp tell.
    const marker = bytes[at + 1]!;
    if (marker === 0xff) at++;
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return bytes[at + 9] === 4;
    else at += 2 + (bytes[at + 2]! << 8) + bytes[at + 3]!;
  }
  return true;
}

/**
 * Image decoder on sharp, which is injected: `sharpDecoder((await import("sharp")).default)`.
 *
 * Gives RGB, 8 bits, the same as Pillow's `Image.open(file).convert("RGB")` (measured: bit-identical on JPEG, PNG,
 * WebP, GIF): not rotated by EXIF, embedded colour profiles ignored, alpha dropped, CMYK converted without profile,
 * first frame of animations. 16-bit channels keep their high byte; here Pillow differs for grey ones, it clips them.
 *
 * Samples decode side by side already, so `sharp.concurrency(1)` makes small images a third faster (measured); it is a
 * setting of the whole process and left to the caller.
 *
 * Images above 2²⁵ pixels are reduced by a whole factor while they are decoded ({@link decodedSize}).
 *
 * @throws {DataError} E5002 not an image, truncated, or a format sharp does not read (BMP).
 * @throws {RunError} E6001 more than 268 million pixels, or no memory left.
 */
export function sharpDecoder(sharp: Sharp): ImageDecoder {
  return async (bytes, file) => {
    try {
      const open = () => sharp(bytes, { failOn: "truncated", ignoreIcc: true, sequentialRead: true });
      const declared = declaredSize(bytes);
      const metadata = mayBeCmyk(bytes) || !declared ? await open().metadata() : undefined;
      const cmyk = metadata?.space === "cmyk";
      const size = declared ?? { width: metadata?.width ?? 1, height: metadata?.height ?? 1 };
      const { width, height } = decodedSize(size, file);
      const decoded = cmyk ? open().pipelineColourspace("cmyk").toColourspace("cmyk") : open().removeAlpha();
      // Reduced row by row as it is decoded: the whole image is never in memory.
      const isWhole = width === size.width && height === size.height;
      const pipeline = isWhole ? decoded : decoded.resize(width, height, { fit: "fill", kernel: "cubic" });
      const { data, info } = await pipeline.raw().toBuffer({ resolveWithObject: true });
      const image = { width: info.width, height: info.height, channels: info.channels, data };
      return cmyk ? cmykToRgb(image) : image;
    } catch (error) {
      if (error instanceof CompressionError) throw error;
      const reason = reasonOf(error);
      if (/creating thread|allocate|out of memory/i.test(reason)) {
        const hint = "close other programs, or raise the limit (ulimit -v unlimited)";
        throw new RunError("E6001", `data: not enough memory to decode "${file}" (${reason})`, { file, hint }, error);
      }
      throw fileError(
        "E5002",
        file,
        `cannot be decoded: ${reason}`,
        "The file is truncated or no image this program reads; replace it, or convert it to PNG or JPEG.",
        {},
        error,
      );
    }
  };
}
