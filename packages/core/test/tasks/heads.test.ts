import { describe, expect, test } from "vitest";
import { type HeadSettings, type HeadTensor, recognise } from "../../src/tasks/index.js";

const INPUT = { width: 320, height: 256 };
const logit = (share: number) => Math.log(share / (1 - share));

interface Placed {
  readonly class: number;
  readonly score: number;
  readonly box: readonly number[];
}

/** Cells of a grid, row by row, and zeros for what a head says of each. */
function grid(stride: number, items: number) {
  const [columns, rows] = [Math.ceil(INPUT.width / stride), Math.ceil(INPUT.height / stride)];
  return { stride, columns, rows, cells: columns * rows, data: new Float32Array(columns * rows * items) };
}

function tensor(name: string, dims: readonly number[], values: ArrayLike<number>): HeadTensor {
  return { name, dims, values };
}

/** Reads the outputs and compares what is found, best first. */
function expectFound(
  outputs: readonly HeadTensor[],
  wanted: readonly Placed[],
  settings: HeadSettings = {},
  name = /./,
) {
  const decoder = recognise("objects", outputs, INPUT, settings);
  expect(decoder.name).toMatch(name);
  const { objects = [] } = decoder.decode(outputs, INPUT) as { objects?: readonly Placed[] };
  const sorted = [...objects].sort((a, b) => b.score - a.score);
  expect(sorted.map((one) => one.class)).toEqual(wanted.map((one) => one.class));
  sorted.forEach((one, i) => {
    expect(one.score).toBeCloseTo(wanted[i]!.score, 5);
    one.box.forEach((side, j) => {
      expect(side).toBeCloseTo(wanted[i]!.box[j]!, 2);
    });
  });
}

describe("heads give back the boxes that were written into them", () => {
  const first = { class: 2, score: 0.9, box: [60, 40, 80, 48] };
  const second = { class: 0, score: 0.6, box: [200, 120, 32, 64] };
  const both = [first, second];
  const centre = ({ box: [x, y, w, h] }: Placed) => [x! + w! / 2, y! + h! / 2] as const;
  const cellOf = ({ stride, columns }: { stride: number; columns: number }, one: Placed) => {
    const [x, y] = centre(one);
    const [column, row] = [Math.floor(x / stride), Math.floor(y / stride)];
    return { column, row, cell: row * columns + column };
  };

  test("GFL: expected value of eight bins a side, scores and sides apart", () => {
    const outputs = [8, 16, 32, 64].flatMap((stride) => {
      const scores = grid(stride, 3);
      const sides = grid(stride, 32);
      if (stride !== 16) return [{ stride, scores, sides }];
      for (const one of both) {
        const { column, row, cell } = cellOf(scores, one);
        const [x, y] = [(column + 0.5) * stride, (row + 0.5) * stride];
        scores.data[3 * cell + one.class] = one.score;
        const [left, top, width, height] = one.box as [number, number, number, number];
        [x - left, y - top, left + width - x, top + height - y].forEach((distance, side) => {
          const bin = Math.floor(distance / stride);
          const part = distance / stride - bin;
          const start = 32 * cell + 8 * side;
          sides.data.fill(-60, start, start + 8);
          sides.data[start + bin] = Math.log(1 - part + 1e-12);
          sides.data[start + bin + 1] = Math.log(part + 1e-12);
        });
      }
      return [{ stride, scores, sides }];
    });
    const tensors = [
      ...outputs.map(({ stride, scores }) => tensor(`s${stride}`, [scores.cells, 3], scores.data)),
      ...outputs.map(({ stride, sides }) => tensor(`b${stride}`, [sides.cells, 32], sides.data)),
    ];
    expectFound(tensors, both, {}, /GFL, strides 8, 16, 32, 64, 3 classes, 8 bins/);
  });

  /** Rows of all grids, one of stride 16 for each object. */
  function rows(
    items: number,
    each: number,
    write: (row: Float32Array, one: Placed, column: number, row_: number) => void,
  ) {
    const grids = [8, 16, 32].map((stride) => grid(stride, 0));
    const total = each * grids.reduce((sum, { cells }) => sum + cells, 0);
    const data = new Float32Array(total * items);
    const start = each * grids[0]!.cells;
    for (const one of both) {
      const { column, row, cell } = cellOf(grids[1]!, one);
      write(data.subarray((start + cell) * items, (start + cell + 1) * items), one, column, row);
    }
    return { total, data };
  }
  const pixels = (row: Float32Array, one: Placed) => row.set([...centre(one), one.box[2]!, one.box[3]!]);

  test("YOLOv5: pixels, objectness times class, three rows a cell", () => {
    const { total, data } = rows(8, 3, (row, one) => {
      pixels(row, one);
      row[4] = one.score;
      row[5 + one.class] = 1;
    });
    expectFound([tensor("out", [total, 8], data)], both, {}, /YOLOv5 or 7, strides 8, 16, 32, 3 classes/);
  });

  test("YOLOv8: by column, no objectness", () => {
    const { total, data } = rows(7, 1, (row, one) => {
      pixels(row, one);
      row[4 + one.class] = one.score;
    });
    const turned = Float32Array.from({ length: data.length }, (_, i) => data[(i % total) * 7 + Math.floor(i / total)]!);
    expectFound([tensor("out", [7, total], turned)], both, {}, /YOLOv8 or 11/);
  });

  test("YOLOX: offsets to cells and logarithms of sizes", () => {
    const { total, data } = rows(8, 1, (row, one, column, rowIndex) => {
      const [x, y] = centre(one);
      row.set([x / 16 - column, y / 16 - rowIndex, Math.log(one.box[2]! / 16), Math.log(one.box[3]! / 16), one.score]);
      row[5 + one.class] = 1;
    });
    expectFound([tensor("out", [total, 8], data)], both, {}, /YOLOX.*offsets to cells/);
  });

  test("YOLOv2: anchors in cells, softmax over classes; without anchors it asks", () => {
    const anchors = [
      [1, 1.5],
      [2.5, 2],
    ];
    const own = grid(32, 16);
    own.data.fill(-20);
    for (const one of both) {
      const { column, row, cell } = cellOf(own, one);
      const [x, y] = centre(one);
      const put = (item: number, value: number) => (own.data[(8 + item) * own.cells + cell] = value);
      put(0, logit(x / 32 - column));
      put(1, logit(y / 32 - row));
      put(2, Math.log(one.box[2]! / 80));
      put(3, Math.log(one.box[3]! / 64));
      put(4, logit(one.score));
      for (let c = 0; c < 3; c++) put(5 + c, c === one.class ? 20 : -20);
    }
    const output = tensor("grid", [16, own.rows, own.columns], own.data);
    expectFound([output], both, { anchors }, /YOLO grid, strides 32, 2 anchors, 3 classes/);
    expect(() => recognise("objects", [output], INPUT, {})).toThrow(/which anchors belong to it/);
  });

  test("SSD: offsets to anchors; a wrong number of anchors is told", () => {
    const anchors = [
      [0.1, 0.2, 0.3, 0.4],
      [0.4, 0.6, 0.8, 0.9],
      [0, 0, 1, 1],
    ];
    const boxes = new Float32Array(12);
    const scores = new Float32Array(12).fill(-9);
    both.forEach((one, i) => {
      const [top, left, bottom, right] = anchors[i] as [number, number, number, number];
      const [x, y] = centre(one);
      const [h, w] = [bottom - top, right - left];
      boxes.set(
        [
          (10 * (y / INPUT.height - (top + bottom) / 2)) / h,
          (10 * (x / INPUT.width - (left + right) / 2)) / w,
          5 * Math.log(one.box[3]! / INPUT.height / h),
          5 * Math.log(one.box[2]! / INPUT.width / w),
        ],
        4 * i,
      );
      scores[4 * i + 1 + one.class] = logit(one.score);
    });
    const outputs = [tensor("boxes", [3, 4], boxes), tensor("scores", [3, 4], scores)];
    expectFound(outputs, both, { anchors }, /SSD, 3 anchors, 3 classes/);
    expect(() => recognise("objects", outputs, INPUT, { anchors: anchors.slice(1) })).toThrow(/2 were given/);
  });

  test("CenterNet: peaks of the heat", () => {
    const [heat, size, offset] = [grid(4, 3), grid(4, 2), grid(4, 2)];
    for (const one of both) {
      const { column, row, cell } = cellOf(heat, one);
      const [x, y] = centre(one);
      heat.data[one.class * heat.cells + cell] = one.score;
      heat.data[one.class * heat.cells + cell + 1] = one.score / 2;
      size.data[cell] = one.box[2]! / 4;
      size.data[heat.cells + cell] = one.box[3]! / 4;
      offset.data[cell] = x / 4 - column;
      offset.data[heat.cells + cell] = y / 4 - row;
    }
    const map = (name: string, count: number, { rows: height, columns: width, data }: ReturnType<typeof grid>) =>
      tensor(name, [count, height, width], data);
    expectFound([map("hm", 3, heat), map("wh", 2, size), map("reg", 2, offset)], both, {}, /CenterNet, stride 4/);
  });

  test("suppressed: the order of six columns follows from the numbers, or is asked", () => {
    const corners = ({ box: [x, y, w, h] }: Placed) => [x!, y!, x! + w!, y! + h!];
    const last = both.flatMap((one) => [...corners(one), one.score, one.class]);
    expectFound([tensor("out", [2, 6], last)], both, {}, /box-score-class/);
    const front = both.flatMap((one) => [one.class, one.score, ...corners(one)]);
    expectFound([tensor("out", [2, 6], front)], both, {}, /class-score-box/);
    expect(() => recognise("objects", [tensor("out", [0, 6], [])], INPUT, {})).toThrow(/in which order/);
    const three = [
      tensor(
        "detection_boxes",
        [2, 4],
        both.flatMap(({ box: [x, y, w, h] }) => [y! / 256, x! / 320, (y! + h!) / 256, (x! + w!) / 320]),
      ),
      tensor(
        "detection_classes",
        [2],
        both.map((one) => one.class),
      ),
      tensor(
        "detection_scores",
        [2],
        both.map((one) => one.score),
      ),
    ];
    expectFound(three, both);
  });

  test("overlapping boxes of a class go, those of another stay unless suppression is agnostic", () => {
    const other = { ...first, class: 1, score: 0.5 };
    const { total, data } = rows(8, 3, () => {});
    [first, { ...first, score: 0.7 }, other].forEach((one, i) => {
      pixels(data.subarray(8 * i), one);
      data[8 * i + 4] = one.score;
      data[8 * i + 5 + one.class] = 1;
    });
    const output = tensor("out", [total, 8], data);
    expectFound([output], [first, other]);
    expectFound([output], [first], { agnostic: true });
    expectFound([output], [first, { ...first, score: 0.7 }, other], { iou: 1 });
    expectFound([output], [first], { score: 0.8 });
  });
});

test("outputs of no known kind are named with their shapes", () => {
  const outputs = [tensor("feature", [7, 3, 2], new Float32Array(42))];
  expect(() => recognise("objects", outputs, INPUT, {})).toThrow(/"feature" \[7, 3, 2\] are no known head/);
  expect(() => recognise("objects", outputs, INPUT, { head: "yolov2" })).toThrow(/'yolov2' is not one of/);
});
