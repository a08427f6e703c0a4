import { describe, expect, test } from "vitest";
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from "../../src/math/float16.js";
import { createRandom } from "../../src/math/random.js";
import { wildFloats } from "./samples.js";

const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
const formats = [
  { name: "float16", exponentBits: 5, up: float16ToFloat32, down: float32ToFloat16 },
  { name: "bfloat16", exponentBits: 8, up: bfloat16ToFloat32, down: float32ToBfloat16 },
];

describe.each(formats)("$name", ({ exponentBits, up, down }) => {
  const mantissaBits = 15 - exponentBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  const infinity = (2 ** exponentBits - 1) * 2 ** mantissaBits;

  /** Value of a pattern as IEEE 754 defines it. */
  function realOf(pattern: number): number {
    const sign = pattern & 0x8000 ? -1 : 1;
    const exponent = (pattern & 0x7fff) >> mantissaBits;
    const mantissa = (pattern & (2 ** mantissaBits - 1)) / 2 ** mantissaBits;
    if (exponent === 2 ** exponentBits - 1) return mantissa === 0 ? sign * Infinity : Number.NaN;
    return sign * (exponent === 0 ? mantissa * 2 ** (1 - bias) : (1 + mantissa) * 2 ** (exponent - bias));
  }

  test("all 65536 patterns have their value, sign of zero included", () => {
    const values = up(all);
    for (let pattern = 0; pattern < 65536; pattern++) {
      if (!Object.is(values[pattern], realOf(pattern)))
        expect([pattern, values[pattern]]).toEqual([pattern, realOf(pattern)]);
    }
  });

  test("all 65536 patterns come back, NaN as NaN", () => {
    const again = down(up(all));
    for (let pattern = 0; pattern < 65536; pattern++) {
      const quiet = (pattern & 0x7fff) > infinity;
      // A signalling NaN may come back quiet.
      const expected = quiet ? pattern | (1 << (mantissaBits - 1)) : pattern;
      if (again[pattern] !== expected) expect([pattern, again[pattern]]).toEqual([pattern, expected]);
    }
  });

  /** Nearest pattern by comparing distances to the two neighbours, ties to the even pattern. */
  function nearest(x: number): number {
    const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
    const magnitude = Math.abs(x);
    let low = 0;
    let high = infinity;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (realOf(middle) <= magnitude) low = middle;
      else high = middle;
    }
    // ∞ stands for the power of two that would come next.
    const above = high === infinity ? 2 ** (bias + 1) : realOf(high);
    if (magnitude >= above) return sign | high;
    const [toLow, toHigh] = [magnitude - realOf(low), above - magnitude];
    return sign | (toLow < toHigh || (toLow === toHigh && low % 2 === 0) ? low : high);
  }

  test("rounds every kind of float to the nearest pattern, ties to even", () => {
    const random = createRandom(8);
    const near = Float32Array.from({ length: 20_000 }, () => {
      // Halfway points and their neighbours, from subnormal to overflow.
      const pattern = random.below(infinity);
      const next = pattern + 1 === infinity ? 2 ** (bias + 1) : realOf(pattern + 1);
      return ((realOf(pattern) + next) / 2) * (1 + (random.below(3) - 1) * 2 ** -23) * (random.below(2) ? 1 : -1);
    });
    for (const values of [near, wildFloats(20_000, 10)]) {
      const bits = down(values);
      for (let i = 0; i < values.length; i++) {
        const x = values[i]!;
        if (Number.isNaN(x)) expect(bits[i]! & 0x7fff).toBeGreaterThan(infinity);
        else if (bits[i] !== nearest(x)) expect([x, bits[i]]).toEqual([x, nearest(x)]);
      }
    }
  });

  test("works on views and into given arrays", () => {
    const bits = down(Float32Array.of(9, 1, -2).subarray(1));
    const out = new Float32Array(4);
    expect(up(bits, out.subarray(1, 3))).toEqual(Float32Array.of(1, -2));
    expect(Array.from(out)).toEqual([0, 1, -2, 0]);
  });
});

test("float16 limits: 65504 is the largest, 65520 becomes ∞, 2⁻²⁵ becomes 0", () => {
  const values = Float32Array.of(65504, 65519, 65520, -1e6, 2 ** -24, 2 ** -25, 2 ** -25 * 1.001);
  expect(Array.from(float16ToFloat32(float32ToFloat16(values)))).toEqual([
    65504,
    65504,
    Infinity,
    -Infinity,
    2 ** -24,
    0,
    2 ** -24,
  ]);
});
