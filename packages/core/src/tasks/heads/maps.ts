import type { ClassMask } from "../../data/index.js";
import { argmax } from "../../math/index.js";
import { areShares, type Head, type HeadTensor } from "./head.js";

/** A point's side in its map, as offset from the best cell towards the better neighbour, in cells. */
const QUARTER = 0.25;

/** A class for every pixel: the best of [classes, rows, columns], one map over a half, or whole numbers. */
export const classMaps: Head = {
  name: "class-maps",
  help: "one map a class, one map of a share, or class numbers",
  read(outputs) {
    const index = outputs.findIndex(({ dims }) => dims.length === 3 || dims.length === 2);
    if (index < 0) return undefined;
    const { dims, values } = outputs[index]!;
    const [channels, height, width] = dims.length === 2 ? [1, ...dims] : dims;
    // Channels last, where the last dimension is by far the smallest.
    const last = dims.length === 3 && width! * 4 < channels!;
    const classes = last ? width! : channels!;
    const size = `${last ? channels : height}x${last ? height : width}`;
    if (classes > 1) {
      return { name: `best of ${classes} classes, ${size}`, decode: (own) => ({ mask: bestClass(own[index]!, last) }) };
    }
    const whole =
      values.length > 0 && Array.from(values).every((value) => Number.isInteger(value) && value >= 0 && value < 256);
    if (whole) {
      return { name: `class numbers, ${size}`, decode: (own) => ({ mask: maskOf(own[index]!, (value) => value) }) };
    }
    const threshold = areShares(values) ? 0.5 : 0;
    return {
      name: `one map over ${threshold}, ${size}`,
      decode: (own) => ({ mask: maskOf(own[index]!, (value) => (value > threshold ? 1 : 0)) }),
    };
  },
};

function maskOf({ dims, values }: HeadTensor, classOf: (value: number) => number): ClassMask {
  const [height, width] = dims.length === 3 ? (dims[0] === 1 ? dims.slice(1) : dims) : dims;
  return { height: height!, width: width!, classes: Uint8Array.from(values, classOf) };
}

function bestClass({ dims, values }: HeadTensor, last: boolean): ClassMask {
  const [height, width, count] = last ? dims : [dims[1]!, dims[2]!, dims[0]!];
  const area = height! * width!;
  const classes = new Uint8Array(area);
  for (let pixel = 0; pixel < area; pixel++) {
    let best = 0;
    const value = (c: number) => values[last ? pixel * count! + c : c * area + pixel]!;
    for (let c = 1; c < count!; c++) if (value(c) > value(best)) best = c;
    classes[pixel] = best;
  }
  return { height: height!, width: width!, classes };
}

/** One thing with named points: a map a point, its peak counting; or rows of y, x, score in parts of the image (MoveNet). */
export const points: Head = {
  name: "points",
  help: "one pose an image: a map a point, or rows of y, x and score",
  read(outputs, input) {
    const [output] = outputs;
    if (outputs.length !== 1) return undefined;
    const { dims } = output!;
    const flat = dims.filter((dim, i) => dim !== 1 || i === dims.length - 1);
    if (flat.length === 2 && flat[1] === 3) {
      return { name: `${flat[0]} points as y, x, score`, decode: (own) => thing(rowsOf(own[0]!.values, input), input) };
    }
    if (dims.length !== 3 || input.width % dims[2]! !== 0) return undefined;
    return {
      name: `${dims[0]} points as maps of ${dims[1]}x${dims[2]}`,
      decode: (own) => thing(peaksOf(own[0]!, input), input),
    };
  },
};

function thing(keypoints: number[], { width, height }: { width: number; height: number }) {
  const scores = keypoints.filter((_, i) => i % 3 === 2);
  const score = scores.reduce((sum, own) => sum + own, 0) / scores.length;
  return { objects: [{ class: 0, score, box: [0, 0, width, height] as const, keypoints }] };
}

function rowsOf(values: ArrayLike<number>, { width, height }: { width: number; height: number }): number[] {
  return Array.from({ length: values.length / 3 }, (_, i) => [
    values[3 * i + 1]! * width,
    values[3 * i]! * height,
    values[3 * i + 2]!,
  ]).flat();
}

function peaksOf({ dims, values }: HeadTensor, input: { width: number; height: number }): number[] {
  const [count, rows, columns] = dims as [number, number, number];
  const [sx, sy] = [input.width / columns, input.height / rows];
  return Array.from({ length: count }, (_, point) => {
    const start = point * rows * columns;
    const best = argmax(values, start, start + rows * columns);
    const [x, y] = [best % columns, Math.floor(best / columns)];
    const at = (column: number, row: number) => values[start + row * columns + column] ?? Number.NEGATIVE_INFINITY;
    const towards = (more: number, less: number) => QUARTER * Math.sign(more - less) || 0;
    const dx = x > 0 && x < columns - 1 ? towards(at(x + 1, y), at(x - 1, y)) : 0;
    const dy = y > 0 && y < rows - 1 ? towards(at(x, y + 1), at(x, y - 1)) : 0;
    return [(x + dx + 0.5) * sx, (y + dy + 0.5) * sy, at(x, y)];
  }).flat();
}
