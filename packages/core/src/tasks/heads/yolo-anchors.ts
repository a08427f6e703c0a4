import type { FoundThing } from "../answer.js";
import { type Decoder, type Head, type HeadSettings, type HeadTensor, type InputSize, sigmoid } from "./head.js";
import { boxAround, keepBest, SCORE } from "./keep-best.js";
import { cellsOf, type Grid, gridOfMap, strideText } from "./strides.js";

/** Anchors of YOLOv5's networks in pixels, as their configuration files have them, by stride. */
const YOLO5_ANCHORS: Readonly<Record<number, readonly (readonly number[])[]>> = {
  8: [
    [10, 13],
    [16, 30],
    [33, 23],
  ],
  16: [
    [30, 61],
    [62, 45],
    [59, 119],
  ],
  32: [
    [116, 90],
    [156, 198],
    [373, 326],
  ],
};

/** One grid with several boxes a cell. */
interface Level {
  readonly output: number;
  readonly grid: Grid;
  readonly boxes: number;
  /** Numbers a box: x, y, width, height, objectness, classes. */
  readonly items: number;
  /** Number j of box a in cell c is values[a · box + j · item + c · cell]. */
  readonly box: number;
  readonly item: number;
  readonly cell: number;
  /** Pixels. */
  readonly anchors: readonly (readonly number[])[];
}

/** Grids whose cells have boxes of reference: YOLO 2 to 4 (size · exp), YOLO 5 and 7 (size · (2σ)²). */
export const yoloAnchors: Head = {
  name: "yolo-anchors",
  help: "YOLOv2 to 5 and 7 as raw grids, which anchors belong to",
  read(outputs, input, settings) {
    const five = outputs.every(({ dims }) => dims.length === 4 && dims[3]! > 4);
    const grids = outputs.map(({ dims }) => mapOf(dims, five, input));
    if (outputs.length === 0 || !grids.every((grid) => grid !== undefined)) return undefined;
    const anchors = anchorsOf(settings, grids, five);
    if (!anchors) return questionOf(outputs, grids);
    const levels = grids.map((grid, output): Level => {
      const own = anchors[output]!;
      const { dims } = outputs[output]!;
      const items = five ? dims[3]! : dims[0]! / own.length;
      const cells = cellsOf(grid);
      const steps = five ? { box: cells * items, item: 1, cell: items } : { box: cells * items, item: cells, cell: 1 };
      return { output, grid, boxes: own.length, items, anchors: own, ...steps };
    });
    if (levels.some(({ items }) => !Number.isInteger(items) || items < 5)) return questionOf(outputs, grids);
    const { form = five ? "square" : "exp" } = settings;
    const classes = levels[0]!.items - 5;
    return {
      name: `YOLO grid, strides ${strideText(grids)}, ${levels[0]!.boxes} anchors, ${Math.max(1, classes)} classes, sizes by ${form}`,
      decode: (own) => ({
        objects: keepBest(
          levels.flatMap((level) => found(own[level.output]!.values, level, form, settings)),
          settings,
        ),
      }),
    } satisfies Decoder;
  },
};

/** [boxes · items, rows, columns], or [boxes, rows, columns, items]. */
function mapOf(dims: readonly number[], five: boolean, input: InputSize): Grid | undefined {
  if (five) return gridOfMap(dims[1]!, dims[2]!, input);
  return dims.length === 3 && dims[0]! >= 10 ? gridOfMap(dims[1]!, dims[2]!, input) : undefined;
}

function questionOf(outputs: readonly HeadTensor[], grids: readonly Grid[]): string {
  const list = outputs.map(({ name, dims }) => `"${name}" [${dims.join(", ")}]`).join(", ");
  return `${list} may be a YOLO grid of stride ${strideText(grids)}: which anchors belong to it? {"head": "yolo-anchors", "anchors": [[width, height], …], "unit": "cells"}`;
}

/** Anchors by grid, in pixels. */
function anchorsOf(
  { anchors, unit }: HeadSettings,
  grids: readonly Grid[],
  five: boolean,
): readonly (readonly (readonly number[])[])[] | undefined {
  if (!anchors) {
    const known = grids.map(({ stride }) => YOLO5_ANCHORS[stride]);
    return five && known.every((own) => own !== undefined) ? known : undefined;
  }
  const nested = Array.isArray(anchors[0]?.[0])
    ? (anchors as readonly (readonly (readonly number[])[])[])
    : [anchors as readonly (readonly number[])[]];
  if (nested.length !== grids.length || nested.flat().some((own) => own.length !== 2)) return undefined;
  const inCells = (unit ?? (grids.length === 1 ? "cells" : "pixels")) === "cells";
  return nested.map((own, i) => own.map((size) => size.map((side) => (inCells ? side * grids[i]!.stride : side))));
}

function found(values: ArrayLike<number>, level: Level, form: "exp" | "square", settings: HeadSettings): FoundThing[] {
  const { score: least = SCORE, activation } = settings;
  const { grid, boxes, items, box, item, cell, anchors } = level;
  const classes = items - 5;
  const softmax = classes > 1 && (activation ?? (form === "exp" && boxes === 5 ? "softmax" : "sigmoid")) === "softmax";
  const result: FoundThing[] = [];
  for (let a = 0; a < boxes; a++) {
    const [width, height] = anchors[a] as [number, number];
    for (let c = 0; c < cellsOf(grid); c++) {
      const value = (j: number) => values[a * box + j * item + c * cell]!;
      const object = sigmoid(value(4));
      if (!(object > least)) continue;
      const column = c % grid.columns;
      const row = Math.floor(c / grid.columns);
      const place = (at: number, shift: number) =>
        grid.stride * (form === "exp" ? shift + sigmoid(value(at)) : shift + 2 * sigmoid(value(at)) - 0.5);
      const size = (at: number, side: number) =>
        side * (form === "exp" ? Math.exp(value(at)) : (2 * sigmoid(value(at))) ** 2);
      const own = boxAround(place(0, column), place(1, row), size(2, width), size(3, height));
      const shares = classes > 0 ? scoresOf(value, classes, softmax) : [1];
      for (const [name, share] of shares.entries()) {
        if (object * share > least) result.push({ class: name, score: object * share, box: own });
      }
    }
  }
  return result;
}

function scoresOf(value: (j: number) => number, classes: number, softmax: boolean): number[] {
  const logits = Array.from({ length: classes }, (_, c) => value(5 + c));
  if (!softmax) return logits.map(sigmoid);
  const largest = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - largest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}
