import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BlockIntegers, blockIntegers, NF4_VALUES, nf4Codes } from "../../src/forms/index.js";
import { normals } from "./helpers.js";

function real(blocks: BlockIntegers): number[] {
  return Array.from(blocks.integers, (integer, at) => {
    const row = Math.floor(at / blocks.inputs);
    const block = row * blocks.blocks + Math.floor((at % blocks.inputs) / blocks.width);
    return blocks.scales[block]! * (integer - blocks.zeroPoints[block]!);
  });
}

const loss = (a: ArrayLike<number>, b: ArrayLike<number>, importance?: ArrayLike<number>) =>
  Array.from(a).reduce((sum, value, i) => sum + (value - b[i]!) ** 2 * (importance?.[i % importance.length] ?? 1), 0);

/** Round to nearest on the full range of each block, as onnxruntime's quantizer does it. */
function plain(data: Float32Array, width: number, bits: number): number[] {
  const half = 2 ** (bits - 1);
  const result: number[] = [];
  for (let from = 0; from < data.length; from += width) {
    const block = [...data.subarray(from, from + width)];
    const extreme = block.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
    const scale = extreme === 0 ? 1 : extreme / -half;
    for (const value of block) result.push(scale * Math.max(-half, Math.min(half - 1, Math.round(value / scale))));
  }
  return result;
}

describe("blockIntegers", () => {
  const shapes = fc.record({
    outputs: fc.integer({ min: 1, max: 5 }),
    inputs: fc.integer({ min: 16, max: 90 }),
    bits: fc.constantFrom(4 as const, 8 as const),
    symmetric: fc.boolean(),
    seed: fc.integer({ min: 0, max: 2 ** 31 }),
  });

  test("integers lie in their type, and 8 bits are within one step everywhere", () => {
    fc.assert(
      fc.property(shapes, ({ outputs, inputs, bits, symmetric, seed }) => {
        const data = normals(outputs * inputs, seed);
        const blocks = blockIntegers({ outputs, inputs, data }, { bits, width: 32, symmetric });
        expect(Math.max(...blocks.integers)).toBeLessThan(2 ** bits);
        if (symmetric) expect(new Set(blocks.zeroPoints)).toEqual(new Set([2 ** (bits - 1)]));
        const back = real(blocks);
        if (bits === 8) for (const [i, value] of data.entries()) expect(Math.abs(value - back[i]!)).toBeLessThan(0.06);
      }),
    );
  });

  test("the search loses no more than rounding to nearest on the full range", () => {
    const data = normals(64 * 256, 3);
    const rows = { outputs: 64, inputs: 256, data };
    const symmetric = real(blockIntegers(rows, { bits: 4, width: 32, symmetric: true }));
    const asymmetric = real(blockIntegers(rows, { bits: 4, width: 32, symmetric: false }));
    const nearest = loss(data, plain(data, 32, 4));
    expect(loss(data, symmetric)).toBeLessThan(0.95 * nearest);
    expect(loss(data, asymmetric)).toBeLessThan(loss(data, symmetric));
  });

  test("what matters more is rounded better", () => {
    const data = normals(64 * 64, 4);
    const rows = { outputs: 64, inputs: 64, data };
    const importance = Float64Array.from({ length: 64 }, (_, i) => (i % 8 === 0 ? 100 : 1));
    const options = { bits: 4, width: 32, symmetric: false } as const;
    const [weighed, even] = [blockIntegers(rows, options, importance), blockIntegers(rows, options)];
    expect(loss(data, real(weighed), importance)).toBeLessThan(loss(data, real(even), importance));
  });

  test("a block of zeros stays one", () => {
    for (const symmetric of [true, false]) {
      const blocks = blockIntegers(
        { outputs: 1, inputs: 32, data: new Float32Array(32) },
        { bits: 4, width: 16, symmetric },
      );
      expect(real(blocks)).toEqual(new Array(32).fill(0));
    }
  });
});

test("NF4 codes are the nearest of the sixteen values", () => {
  const data = normals(130, 5);
  const { packed, largest } = nf4Codes({ data }, 64);
  expect(largest).toHaveLength(3);
  for (const [i, value] of data.entries()) {
    const code = (packed[i >> 1]! >> (i % 2 === 0 ? 4 : 0)) & 15;
    const scale = largest[Math.floor(i / 64)]!;
    const distances = NF4_VALUES.map((candidate) => Math.abs(value - candidate * scale));
    expect(distances[code]).toBeCloseTo(Math.min(...distances), 6);
  }
});
