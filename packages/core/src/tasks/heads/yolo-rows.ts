import type { FoundThing } from "../answer.js";
import { areShares, type Head, type HeadSettings, type HeadTensor, type InputSize, sigmoid } from "./head.js";
import { boxAround, keepBest, SCORE } from "./keep-best.js";
import { cellsOf, type Grid, gridsOfCells, strideText } from "./strides.js";

/** How the rows of one output are to be read. */
interface Rows {
  readonly output: number;
  readonly rows: number;
  /** Value j of row i is values[i · row + j · item]. */
  readonly row: number;
  readonly item: number;
  readonly items: number;
  readonly grids: readonly Grid[];
  /** Numbers before the classes: 5 with objectness, else 4. */
  readonly lead: 4 | 5;
  readonly version: string;
}

/** Channels of prototypes that segmenting networks add to every row. */
const MASK_COEFFICIENTS = 32;
/** A point of a pose: x, y, score. */
const POINT = 3;
/** Larger than any offset in cells or logarithm of a size: the number is one of pixels. */
const PIXELS = 20;

/** All grids in one output, one row a cell: YOLOv5 and 7 (three boxes a cell, objectness), YOLOX (one), YOLOv8 and 11 (by column). */
export const yoloRows: Head = {
  name: "yolo",
  help: "YOLOv5, 7, 8, 11 and X with all boxes in one output",
  read(outputs, input, settings) {
    const rows = recognised(outputs, input);
    if (!rows) return undefined;
    const { values } = outputs[rows.output]!;
    const raw = !someRow(rows, (i) => values[i * rows.row + 2 * rows.item]! > PIXELS);
    const isScore = (j: number) =>
      areShares(values, j * rows.item, (rows.rows - 1) * rows.row + j * rows.item + 1, rows.row);
    const activate = settings.activation === "sigmoid" || (settings.activation === undefined && !isScore(4));
    const points = pointsOf(outputs, rows, settings);
    const classes = points > 0 ? 1 : classesOf(outputs, rows);
    const kind = points > 0 ? `${points} points` : `${classes} classes`;
    return {
      name: `${rows.version}, strides ${strideText(rows.grids)}, ${kind}${raw ? ", offsets to cells" : ""}`,
      decode: (own) => ({
        objects: keepBest(
          found(own[rows.output]!.values, rows, { settings, raw, activate, classes, points }),
          settings,
        ),
      }),
    };
  },
};

function someRow({ rows }: Rows, holds: (row: number) => boolean): boolean {
  for (let i = 0; i < rows; i++) if (holds(i)) return true;
  return false;
}

function recognised(outputs: readonly HeadTensor[], input: InputSize): Rows | undefined {
  for (const [output, { dims }] of outputs.entries()) {
    if (dims.length !== 2) continue;
    const [a, b] = dims as [number, number];
    const upright = gridsOfCells(a, input);
    const threefold = gridsOfCells(a, input, 3);
    const lying = gridsOfCells(b, input);
    if (threefold && b > 5) {
      return { output, rows: a, row: b, item: 1, items: b, grids: threefold, lead: 5, version: "YOLOv5 or 7" };
    }
    if (upright && b > 5)
      return { output, rows: a, row: b, item: 1, items: b, grids: upright, lead: 5, version: "YOLOX" };
    if (lying && a > 4) {
      return { output, rows: b, row: 1, item: b, items: a, grids: lying, lead: 4, version: "YOLOv8 or 11" };
    }
  }
  return undefined;
}

/** With prototypes beside them, the last numbers of a row weigh these. */
function classesOf(outputs: readonly HeadTensor[], { items, lead, output }: Rows): number {
  const prototypes = outputs.some(
    ({ dims }, index) => index !== output && dims.length === 3 && dims[0] === MASK_COEFFICIENTS,
  );
  return items - lead - (prototypes ? MASK_COEFFICIENTS : 0);
}

/** A pose has one class and three numbers a point; asked for by the head's name, since 51 classes look the same. */
function pointsOf(_outputs: readonly HeadTensor[], { items, lead }: Rows, { head }: HeadSettings): number {
  const rest = items - lead - 1;
  return head === "yolo-pose" && rest > 0 && rest % POINT === 0 ? rest / POINT : 0;
}

interface Reading {
  readonly settings: HeadSettings;
  readonly raw: boolean;
  readonly activate: boolean;
  readonly classes: number;
  readonly points: number;
}

function found(values: ArrayLike<number>, shape: Rows, reading: Reading): FoundThing[] {
  const { settings, raw, activate, classes, points } = reading;
  const { score: least = SCORE } = settings;
  const { rows, row, item, lead, grids } = shape;
  const scoreOf = activate ? sigmoid : (value: number) => value;
  const result: FoundThing[] = [];
  let grid = 0;
  let first = 0;
  for (let i = 0; i < rows; i++) {
    const value = (j: number) => values[i * row + j * item]!;
    if (raw && i - first >= cellsOf(grids[grid]!)) first += cellsOf(grids[grid++]!);
    const object = lead === 5 ? scoreOf(value(4)) : 1;
    if (!(object > least)) continue;
    let box: FoundThing["box"] | undefined;
    for (let c = 0; c < classes; c++) {
      const score = object * scoreOf(value(lead + c));
      if (!(score > least)) continue;
      box ??= raw ? boxInCell(value, grids[grid]!, i - first) : boxAround(value(0), value(1), value(2), value(3));
      const keypoints = points > 0 && {
        keypoints: Array.from({ length: POINT * points }, (_, k) => value(lead + 1 + k)),
      };
      result.push({ class: c, score, box, ...keypoints });
    }
  }
  return result;
}

function boxInCell(value: (j: number) => number, { stride, columns }: Grid, cell: number): FoundThing["box"] {
  const x = (value(0) + (cell % columns)) * stride;
  const y = (value(1) + Math.floor(cell / columns)) * stride;
  return boxAround(x, y, Math.exp(value(2)) * stride, Math.exp(value(3)) * stride);
}
