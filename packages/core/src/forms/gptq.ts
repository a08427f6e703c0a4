import { roundHalfEven } from "../math/index.js";
import { type BlockIntegers, type BlockOptions, bestGrid } from "./block-integers.js";
import type { OutputRows } from "./output-rows.js";

/** What is added to the diagonal, as a share of its mean: inputs that depend on each other have no inverse. */
const DAMPING = 0.01;

/**
 * Rounds the weights of a row one after the other, each time moving those not yet rounded so that what the rounding did to the layer's
 * output is made up for (Frantar et al. 2022, «GPTQ»). The grid of a block is chosen when its first weight is reached.
 *
 * @param gram XᵀX of the layer's inputs, [inputs, inputs].
 */
export function gptqIntegers(rows: OutputRows, options: BlockOptions, gram: Float64Array): BlockIntegers {
  const { outputs, inputs } = rows;
  const { width, bits } = options;
  const blocks = Math.ceil(inputs / width);
  const importance = Float64Array.from({ length: inputs }, (_, i) => gram[i * inputs + i]!);
  const upper = inverseCholesky(gram, inputs);
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
  const row = new Float64Array(inputs);
  for (let output = 0; output < outputs; output++) {
    const base = output * inputs;
    for (let i = 0; i < inputs; i++) row[i] = rows.data[base + i]!;
    let scale = 1;
    let zeroPoint = 0;
    for (let i = 0; i < inputs; i++) {
      if (i % width === 0) {
        const block = output * blocks + i / width;
        ({ scale, zeroPoint } = bestGrid(row, 0, i, Math.min(inputs, i + width), options, importance));
        result.scales[block] = scale;
        result.zeroPoints[block] = zeroPoint;
      }
      const integer = Math.min(top, Math.max(0, roundHalfEven(row[i]! / scale) + zeroPoint));
      result.integers[base + i] = integer;
      const error = (row[i]! - scale * (integer - zeroPoint)) / upper[i * inputs + i]!;
      if (error === 0) continue;
      const from = i * inputs;
      for (let j = i + 1; j < inputs; j++) row[j] = row[j]! - error * upper[from + j]!;
    }
  }
  return result;
}

/** The upper triangular U with UᵀU = (G + damping)⁻¹. */
function inverseCholesky(gram: Float64Array, size: number): Float64Array {
  const damped = gram.slice();
  let mean = 0;
  for (let i = 0; i < size; i++) mean += gram[i * size + i]! / size;
  for (let i = 0; i < size; i++) {
    // An input that is always 0 says nothing about its weight.
    if (damped[i * size + i] === 0) damped[i * size + i] = mean || 1;
    damped[i * size + i] = damped[i * size + i]! + DAMPING * (mean || 1);
  }
  // With rows and columns in reverse, G = RRᵀ for an upper R; then G⁻¹ = R⁻ᵀR⁻¹, and U = R⁻¹ is upper too.
  return invertUpper(reverseCholesky(damped, size), size);
}

/** The upper R with RRᵀ = G. */
function reverseCholesky(gram: Float64Array, size: number): Float64Array {
  const r = new Float64Array(size * size);
  for (let j = size - 1; j >= 0; j--) {
    for (let i = j; i >= 0; i--) {
      let sum = gram[i * size + j]!;
      for (let k = j + 1; k < size; k++) sum -= r[i * size + k]! * r[j * size + k]!;
      r[i * size + j] = i === j ? Math.sqrt(Math.max(sum, Number.MIN_VALUE)) : sum / r[j * size + j]!;
    }
  }
  return r;
}

function invertUpper(r: Float64Array, size: number): Float64Array {
  const inverse = new Float64Array(size * size);
  for (let i = size - 1; i >= 0; i--) {
    const diagonal = r[i * size + i]!;
    inverse[i * size + i] = 1 / diagonal;
    for (let k = i + 1; k < size; k++) {
      const factor = r[i * size + k]! / diagonal;
      if (factor === 0) continue;
      for (let j = k; j < size; j++) inverse[i * size + j]! -= factor * inverse[k * size + j]!;
    }
  }
  return inverse;
}
