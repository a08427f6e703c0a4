import { roundHalfEven } from "../math/index.js";
import type { OutputRows } from "./output-rows.js";

/** How rows of weights become integers with one scale a block of neighbours. */
export interface BlockOptions {
  readonly bits: 4 | 8;
  /** Weights of a row that share a scale: a power of two from 16 on. */
  readonly width: number;
  /** One zero point for all, 2^(bits − 1); else every block has its own. */
  readonly symmetric: boolean;
}

/** Rows as integers: weight ≈ scale · (integer − zeroPoint), scale and zero point those of the block. */
export interface BlockIntegers extends BlockOptions {
  readonly outputs: number;
  readonly inputs: number;
  /** Blocks a row; the last one may be shorter. */
  readonly blocks: number;
  /** [outputs, inputs], 0 … 2^bits − 1. */
  readonly integers: Uint8Array;
  /** [outputs, blocks]. */
  readonly scales: Float32Array;
  /** [outputs, blocks]. */
  readonly zeroPoints: Uint8Array;
}

/** Shares of a block's range that are tried as its scale: cutting off the largest weights may round all others more finely. */
const SHARES: Readonly<Record<BlockOptions["bits"], readonly number[]>> = {
  4: [1, 0.97, 0.94, 0.91, 0.88, 0.85, 0.82, 0.79, 0.76, 0.72, 0.68],
  8: [1],
};

export interface Grid {
  scale: number;
  zeroPoint: number;
}

/**
 * Rounds every block to the grid that loses least: Σ importance · (weight − rounded)², the importance of a weight being the mean square
 * of the input it multiplies (1 where none is given).
 */
export function blockIntegers(rows: OutputRows, options: BlockOptions, importance?: ArrayLike<number>): BlockIntegers {
  const { outputs, inputs, data } = rows;
  const { width, bits } = options;
  const blocks = Math.ceil(inputs / width);
  const result: BlockIntegers = {
    ...options,
    outputs,
    inputs,
    blocks,
    integers: new Uint8Array(outputs * inputs),
    scales: new Float32Array(outputs * blocks),
    zeroPoints: new Uint8Array(outputs * blocks),
  };
  const top = 2 ** bits - 1;
  for (let row = 0; row < outputs; row++) {
    for (let block = 0; block < blocks; block++) {
      const from = block * width;
      const to = Math.min(inputs, from + width);
      const grid = bestGrid(data, row * inputs, from, to, options, importance);
      const at = row * blocks + block;
      result.scales[at] = grid.scale;
      result.zeroPoints[at] = grid.zeroPoint;
      for (let i = from; i < to; i++) {
        result.integers[row * inputs + i] = roundTo(data[row * inputs + i]!, grid, top);
      }
    }
  }
  return result;
}

/** The integer of a grid that is nearest to a value. */
export function roundTo(value: number, { scale, zeroPoint }: Grid, top: number): number {
  return Math.min(top, Math.max(0, roundHalfEven(value / scale) + zeroPoint));
}

/** The grid of one block, `from` … `to` of the row that starts at `base`. */
function bestGrid(
  data: ArrayLike<number>,
  base: number,
  from: number,
  to: number,
  { bits, symmetric }: Omit<BlockOptions, "width">,
  importance?: ArrayLike<number>,
): Grid {
  let [low, high] = [0, 0];
  for (let i = from; i < to; i++) {
    const value = data[base + i]!;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low === 0 && high === 0) return { scale: 1, zeroPoint: symmetric ? 2 ** (bits - 1) : 0 };
  const top = 2 ** bits - 1;
  let best: Grid | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const grid of symmetric ? symmetricGrids(low, high, bits) : asymmetricGrids(low, high, bits)) {
    let loss = 0;
    for (let i = from; i < to && loss < least; i++) {
      const value = data[base + i]!;
      const difference = value - grid.scale * (roundTo(value, grid, top) - grid.zeroPoint);
      loss += difference * difference * (importance?.[i] ?? 1);
    }
    if (best !== undefined && !(loss < least)) continue;
    [best, least] = [grid, loss];
  }
  return best!;
}

/** The integers reach one step further below 0 than above: the larger side may lie there, with a scale below 0. */
function* symmetricGrids(low: number, high: number, bits: BlockOptions["bits"]): Generator<Grid> {
  const half = 2 ** (bits - 1);
  const largest = Math.max(-low, high);
  for (const share of SHARES[bits]) {
    const signs = bits === 8 ? [1] : [1, -1];
    for (const sign of signs) yield { scale: Math.fround((sign * largest * share) / half), zeroPoint: half };
    yield { scale: Math.fround((largest * share) / (half - 1)), zeroPoint: half };
  }
}

function* asymmetricGrids(low: number, high: number, bits: BlockOptions["bits"]): Generator<Grid> {
  const top = 2 ** bits - 1;
  for (const share of SHARES[bits]) {
    const scale = Math.fround(((high - low) * share) / top);
    const zeroPoint = roundHalfEven((-low * share) / scale);
    for (const shift of bits === 8 ? [0] : [0, -1, 1]) {
      if (zeroPoint + shift >= 0 && zeroPoint + shift <= top) yield { scale, zeroPoint: zeroPoint + shift };
    }
  }
}
