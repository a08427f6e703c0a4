import type { InputSize } from "./head.js";

/** Pixels of the input that a cell stands for, in networks that are known. */
const STRIDES = [4, 8, 16, 32, 64, 128];

/** A grid of cells laid over the input. */
export interface Grid {
  readonly stride: number;
  readonly columns: number;
  readonly rows: number;
}

function gridOf(stride: number, { width, height }: InputSize): Grid {
  return { stride, columns: Math.ceil(width / stride), rows: Math.ceil(height / stride) };
}

export const cellsOf = ({ columns, rows }: Grid): number => columns * rows;

/** The grid that has this many cells. */
export function gridOfCells(cells: number, input: InputSize): Grid | undefined {
  return STRIDES.map((stride) => gridOf(stride, input)).find((grid) => cellsOf(grid) === cells);
}

/** The grid of a map of this size. */
export function gridOfMap(rows: number, columns: number, input: InputSize): Grid | undefined {
  return STRIDES.map((stride) => gridOf(stride, input)).find((grid) => grid.rows === rows && grid.columns === columns);
}

/** Neighbouring grids that have this many cells together, `each` times. */
export function gridsOfCells(cells: number, input: InputSize, each = 1): Grid[] | undefined {
  const grids = STRIDES.map((stride) => gridOf(stride, input));
  for (let first = 0; first < grids.length; first++) {
    for (let last = first + 2; last <= grids.length; last++) {
      const some = grids.slice(first, last);
      if (each * some.reduce((sum, grid) => sum + cellsOf(grid), 0) === cells) return some;
    }
  }
  return undefined;
}

export const strideText = (grids: readonly Grid[]): string => grids.map(({ stride }) => stride).join(", ");
