import { forEachWeight, type LinearLayer } from "../operators/index.js";

/**
 * Largest magnitude of a layer's weights by pair of channels, over the kernel: everything equalization needs of a weight.
 * Row j holds output channel j, column i the i-th input channel of its group.
 */
export interface WeightMagnitudes {
  readonly rows: number;
  /** Input channels a group. */
  readonly columns: number;
  /** Rows × columns. */
  readonly data: Float32Array;
  /** Output channels a group: input channel of (j, i) is floor(j / rowsPerGroup) · columns + i. */
  readonly rowsPerGroup: number;
}

/** Which weights count: all by magnitude, or one side only, for asymmetric ranges. */
export type WeightSide = "both" | "positive" | "negative";

/** One pass over the weights. Non-finite weights count as 0: other steps report them. */
export function weightMagnitudes(layer: LinearLayer, side: WeightSide = "both"): WeightMagnitudes {
  const rows = layer.outChannels;
  const columns = layer.inChannels / layer.group;
  const data = new Float32Array(rows * columns);
  const weights = layer.tensor.array() as Float32Array;
  const sign = side === "negative" ? -1 : 1;
  const both = side === "both";
  forEachWeight(layer, (flat, out, input) => {
    const weight = weights[flat]!;
    const magnitude = both && weight < 0 ? -weight : sign * weight;
    const at = out * columns + (input % columns);
    if (magnitude > data[at]! && magnitude < Number.POSITIVE_INFINITY) data[at] = magnitude;
  });
  return { rows, columns, data, rowsPerGroup: rows / layer.group };
}

/** First input channel that row j reads. */
export function firstColumn({ columns, rowsPerGroup }: WeightMagnitudes, row: number): number {
  return Math.floor(row / rowsPerGroup) * columns;
}

/** max over inputs of |W_ji|·b_j/a_i for every output channel j. `a` and `b` default to 1. */
export function outputMaxima(m: WeightMagnitudes, a?: ArrayLike<number>, b?: ArrayLike<number>): Float64Array {
  const maxima = new Float64Array(m.rows);
  for (let j = 0; j < m.rows; j++) {
    const first = firstColumn(m, j);
    let top = 0;
    for (let i = 0; i < m.columns; i++) {
      const value = m.data[j * m.columns + i]! / (a ? a[first + i]! : 1);
      if (value > top) top = value;
    }
    maxima[j] = top * (b ? b[j]! : 1);
  }
  return maxima;
}

/** max over outputs of |W_ji|·b_j/a_i for every input channel i. */
export function inputMaxima(m: WeightMagnitudes, a?: ArrayLike<number>, b?: ArrayLike<number>): Float64Array {
  const groups = m.rows / m.rowsPerGroup;
  const maxima = new Float64Array(groups * m.columns);
  for (let j = 0; j < m.rows; j++) {
    const first = firstColumn(m, j);
    const factor = b ? b[j]! : 1;
    for (let i = 0; i < m.columns; i++) {
      const value = m.data[j * m.columns + i]! * factor;
      if (value > maxima[first + i]!) maxima[first + i] = value;
    }
  }
  if (a) for (let i = 0; i < maxima.length; i++) maxima[i] = maxima[i]! / a[i]!;
  return maxima;
}
