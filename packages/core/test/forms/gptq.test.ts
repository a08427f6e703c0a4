import { expect, test } from "vitest";
import { type BlockIntegers, type BlockOptions, blockIntegers, gptqIntegers } from "../../src/forms/index.js";
import { normals } from "./helpers.js";

const [outputs, inputs, samples] = [12, 96, 400];

function real({ integers, scales, zeroPoints, width, blocks }: BlockIntegers): number[] {
  return Array.from(integers, (integer, at) => {
    const block = Math.floor(at / inputs) * blocks + Math.floor((at % inputs) / width);
    return scales[block]! * (integer - zeroPoints[block]!);
  });
}

/** Inputs that depend on each other: every one has a part of its neighbour. */
function correlated(seed: number): Float64Array {
  const noise = normals(samples * inputs, seed);
  const x = Float64Array.from(noise);
  for (let row = 0; row < samples; row++) {
    for (let i = 1; i < inputs; i++)
      x[row * inputs + i] = 0.8 * x[row * inputs + i - 1]! + 0.6 * noise[row * inputs + i]!;
  }
  return x;
}

function gramOf(x: Float64Array): Float64Array {
  const gram = new Float64Array(inputs ** 2);
  for (let row = 0; row < samples; row++) {
    for (let i = 0; i < inputs; i++) {
      for (let j = 0; j < inputs; j++) gram[i * inputs + j]! += x[row * inputs + i]! * x[row * inputs + j]!;
    }
  }
  return gram;
}

/** Σ (x·w − x·ŵ)² over samples and outputs. */
function outputLoss(x: Float64Array, weights: Float32Array, rounded: readonly number[]): number {
  let loss = 0;
  for (let row = 0; row < samples; row++) {
    for (let o = 0; o < outputs; o++) {
      let difference = 0;
      for (let i = 0; i < inputs; i++) {
        difference += x[row * inputs + i]! * (weights[o * inputs + i]! - rounded[o * inputs + i]!);
      }
      loss += difference ** 2;
    }
  }
  return loss;
}

test.each([true, false])(
  "what a layer gives is nearer than with rounding to nearest, on other inputs too (symmetric: %s)",
  (symmetric) => {
    const rows = { outputs, inputs, data: normals(outputs * inputs, 1) };
    const options: BlockOptions = { bits: 4, width: 32, symmetric };
    const gptq = real(gptqIntegers(rows, options, gramOf(correlated(2))));
    const nearest = real(blockIntegers(rows, options));
    for (const seed of [2, 3]) {
      const x = correlated(seed);
      expect(outputLoss(x, rows.data, gptq)).toBeLessThan(0.7 * outputLoss(x, rows.data, nearest));
    }
  },
);

test("inputs that say nothing about each other: the same as rounding to nearest by importance", () => {
  const gram = new Float64Array(inputs ** 2);
  for (let i = 0; i < inputs; i++) gram[i * inputs + i] = 1 + (i % 5);
  const rows = { outputs, inputs, data: normals(outputs * inputs, 4) };
  const options: BlockOptions = { bits: 4, width: 16, symmetric: false };
  const importance = Float64Array.from({ length: inputs }, (_, i) => 1 + (i % 5));
  expect(gptqIntegers(rows, options, gram).integers).toEqual(blockIntegers(rows, options, importance).integers);
});

test("an input that is always 0 does no harm", () => {
  const rows = { outputs, inputs, data: normals(outputs * inputs, 5) };
  const x = correlated(6).map((value, at) => (at % inputs === 7 ? 0 : value));
  const rounded = real(gptqIntegers(rows, { bits: 4, width: 32, symmetric: true }, gramOf(x)));
  expect(rounded.every(Number.isFinite)).toBe(true);
});
