import { boxOfCorners } from "../../metrics/index.js";
import type { FoundThing } from "../answer.js";
import { areShares, type Decoder, type Field, type Head, type HeadSettings, type HeadTensor, scoring } from "./head.js";
import { keepBest, SCORE } from "./keep-best.js";
import { cellsOf, type Grid, gridOfCells, gridOfMap, gridsOfCells, strideText } from "./strides.js";

/** Cells of a grid that are looked at, and boxes of a class before suppression, as PaddleDetection and NanoDet do. */
const CELLS = 1000;
const CANDIDATES = 200;

/** Scores and distances of the cells of one grid. */
interface Level {
  readonly grid: Grid;
  readonly scores: Field;
  readonly sides: Field;
}

/**
 * Generalized focal loss (Li et al. 2020): scores by class, and for each of four sides a distribution over distances whose
 * expected value counts, in strides.
 */
export const gfl: Head = {
  name: "gfl",
  help: "PicoDet, NanoDet, GFL and raw heads of YOLOv8 and 11: scores and distributions of four distances a cell",
  read(outputs, input, settings) {
    const levels = pairs(outputs, input) ?? maps(outputs, input) ?? joined(outputs, input);
    if (!levels) return undefined;
    const grids = levels.map(({ grid }) => grid);
    const { items: classes } = levels[0]!.scores;
    const bins = levels[0]!.sides.items / 4;
    // NanoDet's cells count from their corners.
    const centre = outputs.length === 1 ? 0 : 0.5;
    const score = scoring(settings, outputs[levels[0]!.scores.output]!.values);
    return {
      name: `GFL, strides ${strideText(grids)}, ${classes} classes, ${bins} bins a side`,
      decode: (own) => ({
        objects: keepBest(
          levels.flatMap((level) => read(level, own, centre, settings, score)),
          settings,
          CANDIDATES,
        ),
      }),
    } satisfies Decoder;
  },
};

const rows = (output: number, items: number, start = 0, cell = items): Field => ({
  output,
  start,
  cell,
  item: 1,
  items,
});
const planes = (output: number, items: number, cells: number, start = 0): Field => ({
  output,
  start: start * cells,
  cell: 1,
  item: cells,
  items,
});

/** Two outputs a grid: [cells, classes] and [cells, 4 · bins]. */
function pairs(outputs: readonly HeadTensor[], input: { width: number; height: number }): Level[] | undefined {
  const byCells = new Map<number, number[]>();
  for (const [index, { dims }] of outputs.entries()) {
    if (dims.length !== 2) return undefined;
    byCells.set(dims[0]!, [...(byCells.get(dims[0]!) ?? []), index]);
  }
  const levels: Level[] = [];
  for (const [cells, indices] of byCells) {
    const grid = gridOfCells(cells, input);
    if (!grid || indices.length !== 2) return undefined;
    const [first, second] = indices as [number, number];
    const isSides = (index: number) => outputs[index]!.dims[1]! % 4 === 0 && outputs[index]!.dims[1]! >= 16;
    const firstIsSides = isSides(first) && (!isSides(second) || !areShares(outputs[first]!.values));
    const [scores, sides] = firstIsSides ? [second, first] : [first, second];
    if (!isSides(sides)) return undefined;
    levels.push({
      grid,
      scores: rows(scores, outputs[scores]!.dims[1]!),
      sides: rows(sides, outputs[sides]!.dims[1]!),
    });
  }
  return levels.length > 0 ? levels : undefined;
}

/** One output a grid: [64 + classes, rows, columns], 16 bins a side first (YOLOv8, 11). */
function maps(outputs: readonly HeadTensor[], input: { width: number; height: number }): Level[] | undefined {
  const SIDES = 64;
  if (outputs.length < 2) return undefined;
  const levels: Level[] = [];
  for (const [index, { dims }] of outputs.entries()) {
    const [channels, height, width] = dims as [number, number, number];
    if (dims.length !== 3 || channels <= SIDES || channels !== outputs[0]!.dims[0]) return undefined;
    const grid = gridOfMap(height, width, input);
    if (!grid) return undefined;
    const cells = cellsOf(grid);
    levels.push({ grid, scores: planes(index, channels - SIDES, cells, SIDES), sides: planes(index, SIDES, cells) });
  }
  return levels;
}

/** One output for all grids: [cells, classes + 32], 8 bins a side (NanoDet). */
function joined(outputs: readonly HeadTensor[], input: { width: number; height: number }): Level[] | undefined {
  const SIDES = 32;
  const [output] = outputs;
  if (outputs.length !== 1 || output!.dims.length !== 2) return undefined;
  const [cells, items] = output!.dims as [number, number];
  const grids = items > SIDES ? gridsOfCells(cells, input) : undefined;
  if (!grids) return undefined;
  // Numbers that are all shares are no logits of distances: some other head.
  if (areShares(output!.values)) return undefined;
  const classes = items - SIDES;
  if (!areRows(output!.values, items, classes)) return undefined;
  let start = 0;
  return grids.map((grid) => {
    const level = {
      grid,
      scores: rows(0, classes, start, items),
      sides: { ...rows(0, SIDES, start + classes, items) },
    };
    start += cellsOf(grid) * items;
    return level;
  });
}

/** Whether the first numbers of every row are shares: scores after the sigmoid. */
function areRows(values: ArrayLike<number>, items: number, classes: number): boolean {
  for (let i = 0; i < values.length; i += items) if (!areShares(values, i, i + classes)) return false;
  return true;
}

function read(
  { grid, scores, sides }: Level,
  outputs: readonly HeadTensor[],
  centre: number,
  settings: HeadSettings,
  scoreOf: (value: number) => number,
): FoundThing[] {
  const { score: least = SCORE } = settings;
  const { values } = outputs[scores.output]!;
  const best: { cell: number; score: number }[] = [];
  for (let cell = 0; cell < cellsOf(grid); cell++) {
    let top = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < scores.items; i++)
      top = Math.max(top, values[scores.start + cell * scores.cell + i * scores.item]!);
    if (scoreOf(top) > least) best.push({ cell, score: top });
  }
  best.sort((a, b) => b.score - a.score || a.cell - b.cell);
  return best.slice(0, CELLS).flatMap(({ cell }) => {
    const x = ((cell % grid.columns) + centre) * grid.stride;
    const y = (Math.floor(cell / grid.columns) + centre) * grid.stride;
    const [left, top, right, bottom] = distances(outputs[sides.output]!.values, sides, cell, grid.stride);
    const box = boxOfCorners(x - left!, y - top!, x + right!, y + bottom!);
    const found: FoundThing[] = [];
    for (let i = 0; i < scores.items; i++) {
      const score = scoreOf(values[scores.start + cell * scores.cell + i * scores.item]!);
      if (score > least) found.push({ class: i, score, box });
    }
    return found;
  });
}

/** Expected value of each side's distribution, in pixels. */
function distances(values: ArrayLike<number>, sides: Field, cell: number, stride: number): number[] {
  const bins = sides.items / 4;
  return Array.from({ length: 4 }, (_, side) => {
    const logit = (bin: number) => values[sides.start + cell * sides.cell + (side * bins + bin) * sides.item]!;
    let largest = Number.NEGATIVE_INFINITY;
    for (let bin = 0; bin < bins; bin++) largest = Math.max(largest, logit(bin));
    let total = 0;
    let sum = 0;
    for (let bin = 0; bin < bins; bin++) {
      const weight = Math.exp(logit(bin) - largest);
      total += weight;
      sum += weight * bin;
    }
    return (sum / total) * stride;
  });
}
