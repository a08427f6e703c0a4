import type { DecodedImage, ImageDecoder } from "@equant/core";
import { DataError } from "@equant/core/errors";
import { declaredSize, decodedSize } from "@equant/core/lab";

const HINT = "The file is truncated or no image this browser reads; replace it, or convert it to PNG or JPEG.";

/** Rotation by EXIF is not applied anywhere in equant: the segment that asks for it is left out. */
function withoutExif(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return bytes;
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda; ) {
    const next = at + 2 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
    if (bytes[at + 1] === 0xe1) {
      const rest = new Uint8Array(bytes.length - (next - at));
      rest.set(bytes.subarray(0, at));
      rest.set(bytes.subarray(next), at);
      return rest;
    }
    at = next;
  }
  return bytes;
}

/** Browsers show what there is of a file that was cut off; as data it is none. */
function isCutOff(bytes: Uint8Array): boolean {
  const tail = bytes.subarray(-4096);
  const has = (...marker: number[]) => tail.some((_, at) => marker.every((byte, index) => tail[at + index] === byte));
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return !has(0xff, 0xd9);
  if (bytes[0] === 0x89 && bytes[1] === 0x50) return !has(0x49, 0x45, 0x4e, 0x44);
  return false;
}

let canvas: OffscreenCanvas | undefined;

/** The browser's decoder: RGB of 8 bits as stored, colour profiles and rotation ignored. */
export const decodeImage: ImageDecoder = async (bytes, file): Promise<DecodedImage> => {
  if (isCutOff(bytes)) throw new DataError("E5002", `data: "${file}" is cut off`, { file, hint: HINT });
  const declared = declaredSize(bytes);
  const wanted = declared && decodedSize(declared, file);
  const isWhole = !wanted || (wanted.width === declared.width && wanted.height === declared.height);
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(new Blob([withoutExif(bytes) as Uint8Array<ArrayBuffer>]), {
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
      ...(!isWhole && { resizeWidth: wanted.width, resizeHeight: wanted.height, resizeQuality: "high" as const }),
    });
  } catch (error) {
    throw new DataError("E5002", `data: "${file}" cannot be decoded`, { file, hint: HINT }, error);
  }
  const { width, height } = bitmap;
  canvas ??= new OffscreenCanvas(width, height);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.globalCompositeOperation = "copy";
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  return { width, height, channels: 4, data: new Uint8Array(data.buffer) };
};
