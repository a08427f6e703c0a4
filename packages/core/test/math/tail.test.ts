import fc from "fast-check";
import { expect, test } from "vitest";
import { createRandom, tailRange, tailReach, tailScale, type ValueTails } from "../../src/math/index.js";

const OPEN = { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };
const LEVELS = 255;

/** The expected error of a range, as its equation says. */
function expectedError({ high, low, elements }: ValueTails, min: number, max: number): number {
  const step = (max - min) / LEVELS;
  let cut = 0;
  for (const [ends, at] of [
    [high, max],
    [low, -min],
  ] as const) {
    for (let c = 0; c < ends.reach.length; c++) {
      const beta = ends.scale[c]!;
      if (beta > 0) cut += 2 * beta * beta * Math.exp(-(at - ends.reach[c]!) / beta);
    }
  }
  return step ** 2 / 12 + cut / (high.reach.length * elements);
}

const ends = (channels: number) =>
  fc.record({
    reach: fc.array(fc.double({ min: 0, max: 4, noNaN: true }), { minLength: channels, maxLength: channels }),
    scale: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: channels, maxLength: channels }),
  });
const tails = fc
  .integer({ min: 1, max: 6 })
  .chain((channels) =>
    fc.record({ high: ends(channels), low: ends(channels), elements: fc.integer({ min: 10, max: 1e6 }) }),
  );

test("no range of a dense grid has a lower expected error, and what was seen stays inside", () => {
  fc.assert(
    fc.property(tails, (own) => {
      const { min, max } = tailRange(own, LEVELS, OPEN);
      const seen = { max: Math.max(0, ...own.high.reach), min: -Math.max(0, ...own.low.reach) };
      expect(max).toBeGreaterThanOrEqual(seen.max);
      expect(min).toBeLessThanOrEqual(seen.min);
      const best = expectedError(own, min, max);
      for (let i = 0; i <= 20; i++) {
        for (let j = 0; j <= 20; j++) {
          const other = expectedError(own, seen.min - 0.3 * i, seen.max + 0.3 * j);
          expect(best).toBeLessThanOrEqual(other * (1 + 1e-6) + 1e-15);
        }
      }
    }),
    { seed: 11, numRuns: 60 },
  );
});

test("a bound is kept, and reached where the tail asks for more", () => {
  const own = { high: { reach: [1], scale: [0.5] }, low: { reach: [1], scale: [0.5] }, elements: 100 };
  const open = tailRange(own, LEVELS, OPEN);
  expect(open.max).toBeGreaterThan(1.5);
  expect(open.min).toBeCloseTo(-open.max, 3);
  const held = tailRange(own, LEVELS, { min: OPEN.min, max: 1.5 });
  expect(held.max).toBe(1.5);
  expect(tailRange(own, LEVELS, { min: -1, max: 1 })).toEqual({ min: -1, max: 1 });
});

test("without scatter, or with many values, the range is the one seen", () => {
  const flat = { high: { reach: [1, 2], scale: [0, 0] }, low: { reach: [3, 1], scale: [0, 0] }, elements: 10 };
  expect(tailRange(flat, LEVELS, OPEN)).toEqual({ min: -3, max: 2 });
  expect(tailReach(flat, LEVELS)).toBe(0);
  const many = { high: { reach: [1], scale: [0.1] }, low: { reach: [0], scale: [0] }, elements: 1e9 };
  expect(tailRange(many, LEVELS, OPEN)).toEqual({ min: 0, max: 1 });
  expect(tailReach(many, LEVELS)).toBe(0);
});

test("channels that end at one place get the range that their common reach says", () => {
  for (const [scale, elements] of [
    [0.2, 4900],
    [0.05, 20_000],
    [0.4, 100],
  ] as const) {
    const own = {
      high: { reach: [2, 2, 2], scale: [2 * scale, 2 * scale, 2 * scale] },
      low: { reach: [0, 0, 0], scale: [0, 0, 0] },
      elements,
    };
    expect(2 * (1 + scale * tailReach(own, LEVELS))).toBeCloseTo(tailRange(own, LEVELS, OPEN).max, 2);
  }
});

test("on fresh samples of exponential channels the error is below that of minimum and maximum", () => {
  const random = createRandom(5);
  const [channels, positions, samples] = [64, 49, 60];
  const draw = () => -Math.log(1 - random.uniform());
  const far = new Float64Array(channels);
  const sums = new Float64Array(channels);
  const squares = new Float64Array(channels);
  for (let sample = 0; sample < samples; sample++) {
    for (let c = 0; c < channels; c++) {
      let top = 0;
      for (let k = 0; k < positions; k++) top = Math.max(top, draw());
      far[c] = Math.max(far[c]!, top);
      sums[c]! += top;
      squares[c]! += top * top;
    }
  }
  // As equalization does: every channel ends at 1.
  const scale = Array.from(far, (reach, c) => tailScale(samples, sums[c]!, squares[c]!) / reach);
  const none = new Float64Array(channels);
  const own = {
    high: { reach: none.map(() => 1), scale },
    low: { reach: none, scale: none },
    elements: samples * positions,
  };
  const error = (max: number) => {
    const step = max / LEVELS;
    const fresh = createRandom(6);
    let sum = 0;
    for (let i = 0; i < 40 * samples * positions; i++) {
      const x = -Math.log(1 - fresh.uniform()) / far[i % channels]!;
      sum += (x - Math.min(LEVELS, Math.round(x / step)) * step) ** 2;
    }
    return sum;
  };
  const chosen = tailRange(own, LEVELS, OPEN).max;
  expect(chosen).toBeGreaterThan(1.1);
  expect(error(chosen)).toBeLessThan(0.8 * error(1));
  expect(error(chosen)).toBeLessThan(error(2 * chosen));
});
