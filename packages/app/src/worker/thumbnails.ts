import { type Dataset, imageTarget } from "@equant/core/lab";
import type { Thumbnail } from "../protocol.js";

/** Longest side in pixels. */
const SIDE = 64;

/** Samples as the model sees them, their own range stretched to 0–255; none for data that are no images. */
export async function thumbnails(dataset: Dataset): Promise<Thumbnail[]> {
  const result: Thumbnail[] = [];
  for (let index = 0; index < dataset.length; index++) {
    const thumbnail = await thumbnailOf(dataset, index);
    if (thumbnail) result.push(thumbnail);
  }
  return result;
}

export async function thumbnailOf(dataset: Dataset, index: number): Promise<Thumbnail | undefined> {
  const target = dataset.record ? undefined : imageTarget({ shape: dataset.shape });
  if (!target) return undefined;
  const { channels, height, width, layout } = target;
  const data = new Float32Array(channels * height * width);
  await dataset.fill(index, data, 0);
  let [min, max] = [Infinity, -Infinity];
  for (const value of data) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const gain = max > min ? 255 / (max - min) : 0;
  const shrink = Math.max(1, Math.max(height, width) / SIDE);
  const [outWidth, outHeight] = [Math.round(width / shrink), Math.round(height / shrink)];
  const pixels = new Uint8ClampedArray(4 * outWidth * outHeight);
  const area = height * width;
  for (let y = 0; y < outHeight; y++) {
    for (let x = 0; x < outWidth; x++) {
      const from = Math.floor((y + 0.5) * shrink) * width + Math.floor((x + 0.5) * shrink);
      const to = 4 * (y * outWidth + x);
      for (let c = 0; c < 3; c++) {
        const channel = channels === 1 ? 0 : c;
        const value = data[layout === "NCHW" ? channel * area + from : from * channels + channel]!;
        pixels[to + c] = gain * (value - min);
      }
      pixels[to + 3] = 255;
    }
  }
  return { id: dataset.id(index), label: labelOf(dataset, index), width: outWidth, height: outHeight, pixels };
}

export function labelOf(dataset: Dataset, index: number): string | null {
  const label = dataset.label?.(index);
  return label === undefined ? null : (dataset.classNames?.[label] ?? String(label));
}
