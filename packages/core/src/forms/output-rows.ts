import { productFactors } from "../operators/attributes.js";
import type { LinearLayer } from "../operators/index.js";

/** Weights of a layer, one row an output: [outputs, inputs], what lies in a row is added up. */
export interface OutputRows {
  readonly outputs: number;
  readonly inputs: number;
  readonly data: Float32Array;
}

/**
 * Weights of a MatMul, Gemm (times its `alpha`) or Conv (one row [C/group · kernel] an output), as float32 rows.
 * Undefined for what has no such rows: a stack of matrices, a ConvTranspose, and weights that are no float32.
 */
export function outputRows(layer: LinearLayer): OutputRows | undefined {
  const { tensor, opType } = layer;
  if (tensor.dtype !== "float32" || opType === "ConvTranspose") return undefined;
  if (!layer.convolves && tensor.dims.length !== 2) return undefined;
  const values = tensor.array() as Float32Array;
  const outputs = layer.outChannels;
  const inputs = tensor.size / outputs;
  const { alpha } = productFactors(layer.node);
  if (layer.convolves || layer.outAxis === 0) {
    return { outputs, inputs, data: alpha === 1 ? values : values.map((value) => value * alpha) };
  }
  return { outputs, inputs, data: transposedMatrix(values, inputs, outputs, alpha) };
}

/** What tells the rows of layers apart that share a weight. */
export function rowsKey({ node, weight }: LinearLayer): string {
  return `${weight} · ${productFactors(node).alpha}`;
}

/** [rows, columns] → [columns, rows], in tiles, so that neither side jumps through memory. */
export function transposedMatrix<T extends Float32Array | Int8Array | Uint8Array>(
  values: T,
  rows: number,
  columns: number,
  factor = 1,
): T {
  const result = new (values.constructor as new (length: number) => T)(values.length);
  const tile = 32;
  for (let top = 0; top < rows; top += tile) {
    for (let left = 0; left < columns; left += tile) {
      const [bottom, right] = [Math.min(rows, top + tile), Math.min(columns, left + tile)];
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) {
          result[column * rows + row] = values[row * columns + column]! * factor;
        }
      }
    }
  }
  return result;
}
