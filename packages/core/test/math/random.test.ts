import { describe, expect, it } from "vitest";
import { createRandom, splitMix64, xoshiro128ss } from "../../src/math/random.js";

const MASK = (1n << 32n) - 1n;
const rotate = (x: bigint, k: bigint) => ((x << k) | (x >> (32n - k))) & MASK;

/** The generator's definition in big integers, one line a step of the paper. */
function naiveXoshiro(seed: readonly number[], count: number): number[] {
  const s = seed.map(BigInt);
  return Array.from({ length: count }, () => {
    const result = (rotate((s[1]! * 5n) & MASK, 7n) * 9n) & MASK;
    const t = (s[1]! << 9n) & MASK;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= t;
    s[3] = rotate(s[3]!, 11n);
    return Number(result);
  });
}

describe("generators", () => {
  it("splitMix64 gives the published outputs for seed 1234567", () => {
    expect(splitMix64(1234567n, 3)).toEqual([6457827717110365317n, 3203168211198807973n, 9817491932198370423n]);
  });

  it("xoshiro128** gives the published outputs for state 1 2 3 4", () => {
    const next = xoshiro128ss([1, 2, 3, 4]);
    expect([next(), next(), next(), next()]).toEqual([11520, 0, 5927040, 70819200]);
  });

  it("xoshiro128** equals its definition in big integers over 2000 steps", () => {
    const state = [0x89abcdef, 0xffffffff, 7, 0x80000000] as const;
    const next = xoshiro128ss(state);
    expect(Array.from({ length: 2000 }, next)).toEqual(naiveXoshiro(state, 2000));
  });
});

describe("createRandom", () => {
  it("repeats for a seed, and differs between seeds and streams", () => {
    const draw = (seed: number, stream = 0) => Array.from({ length: 8 }, createRandom(seed, stream).nextUint32);
    expect(draw(5)).toEqual(draw(5));
    const seen = [draw(0), draw(1), draw(-1), draw(0, 1), draw(1, 1), draw(Number.MAX_SAFE_INTEGER)].map(String);
    expect(new Set(seen).size).toBe(seen.length);
  });

  it("stays what it was: other tests and trained weights depend on these numbers", () => {
    const random = createRandom(1, 2);
    expect([random.nextUint32(), random.nextUint32(), random.below(10), random.normal()]).toMatchInlineSnapshot(`
      [
        4912049,
        1894541122,
        0,
        0.4468614253390042,
      ]
    `);
    expect([...random.permutation(8)]).toMatchInlineSnapshot(`
      [
        4,
        3,
        2,
        0,
        7,
        5,
        1,
        6,
      ]
    `);
  });

  it("refuses seeds that are no integers", () => {
    expect(() => createRandom(0.5)).toThrow(RangeError);
    expect(() => createRandom(1, Number.NaN)).toThrow(RangeError);
  });

  it("uniform lies in [0, 1) with mean 1/2 and variance 1/12", () => {
    const random = createRandom(3);
    const n = 100_000;
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < n; i++) {
      const x = random.uniform();
      expect(x >= 0 && x < 1).toBe(true);
      sum += x;
      squares += x * x;
    }
    // Four standard errors.
    expect(Math.abs(sum / n - 0.5)).toBeLessThan(4 * Math.sqrt(1 / 12 / n));
    expect(Math.abs(squares / n - 1 / 3)).toBeLessThan(4 * Math.sqrt(4 / 45 / n));
  });

  it("normal has the moments and tails of the normal distribution", () => {
    const random = createRandom(11);
    const n = 200_000;
    const moments = [0, 0, 0, 0];
    let beyond2 = 0;
    let below = 0;
    for (let i = 0; i < n; i++) {
      const x = random.normal();
      for (let k = 0; k < 4; k++) moments[k]! += x ** (k + 1) / n;
      if (Math.abs(x) > 2) beyond2++;
      if (x < 0.5) below++;
    }
    // Expected 0, 1, 0, 3; variances of the k-th moment's mean: 1, 2, 15, 96 over n.
    [0, 1, 0, 3].forEach((expected, k) => {
      const error = Math.sqrt([1, 2, 15, 96][k]! / n);
      expect(Math.abs(moments[k]! - expected)).toBeLessThan(4 * error);
    });
    // P(|x| > 2) = 0.0455003, P(x < 0.5) = 0.6914625.
    for (const [count, p] of [
      [beyond2, 0.0455003],
      [below, 0.6914625],
    ] as const) {
      expect(Math.abs(count / n - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / n));
    }
  });

  it("below(n) reaches every value evenly and refuses other n", () => {
    const random = createRandom(2);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i++) counts[random.below(7)]!++;
    // χ² with 6 degrees of freedom: 22.5 has p = 0.001.
    expect(counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)).toBeLessThan(22.5);
    expect(random.below(1)).toBe(0);
    for (const n of [0, -1, 1.5, 2 ** 32 + 1, Number.NaN]) expect(() => random.below(n)).toThrow(RangeError);
  });

  it("permutation holds every index once; each of the orders of three comes equally often", () => {
    const random = createRandom(9);
    expect([...random.permutation(100)].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    const counts = new Map<string, number>();
    for (let i = 0; i < 12_000; i++) {
      const key = random.permutation(3).join("");
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    // χ² with 5 degrees of freedom: 20.5 has p = 0.001.
    expect([...counts.values()].reduce((sum, count) => sum + (count - 2000) ** 2 / 2000, 0)).toBeLessThan(20.5);
    expect(random.permutation(0).length).toBe(0);
  });
});
