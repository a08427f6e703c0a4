import type { HeatMap } from "../protocol.js";

/** Longest side of a picture in cells. */
const SIDE = 48;

/** A plane of numbers. */
export interface Plane {
  readonly width: number;
  readonly height: number;
  readonly values: Float32Array;
}

/** Mean magnitude over the channels of one sample, [C, H, W] → H × W; vectors become rows of equal length. */
export function meanOverChannels(values: Float32Array, dims: readonly number[]): Plane {
  if (dims.length >= 3) {
    const width = dims.at(-1)!;
    const height = dims.slice(1, -1).reduce((product, dim) => product * dim, 1);
    const area = width * height;
    const channels = values.length / area;
    const mean = new Float32Array(area);
    for (let at = 0; at < values.length; at++) mean[at % area]! += Math.abs(values[at]!) / channels;
    return { width, height, values: mean };
  }
  const width = Math.min(values.length, Math.max(1, Math.ceil(Math.sqrt(values.length))));
  const height = Math.ceil(values.length / width);
  const all = new Float32Array(width * height);
  all.set(values.map(Math.abs));
  return { width, height, values: all };
}

/** The plane in at most 48 × 48 cells, each the mean of what it covers. */
export function heatMap({ width, height, values }: Plane): HeatMap {
  const step = Math.max(1, Math.ceil(Math.max(width, height) / SIDE));
  const [columns, rows] = [Math.ceil(width / step), Math.ceil(height / step)];
  const sums = new Float32Array(columns * rows);
  const counts = new Uint32Array(columns * rows);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const cell = Math.floor(y / step) * columns + Math.floor(x / step);
      sums[cell]! += values[y * width + x]!;
      counts[cell]!++;
    }
  }
  const cells = sums.map((sum, at) => sum / counts[at]!);
  return { width: columns, height: rows, cells, max: cells.reduce((a, b) => Math.max(a, b), 0) };
}
