import { describe, expect, test } from "vitest";
import { chiSquareTail, evenDropTest, mcNemarExact, wilsonInterval } from "../../src/math/significance.js";
import { lnGamma, normalQuantile, upperGamma } from "../../src/math/special-functions.js";

// Figures named scipy were computed with scipy 1.17.1.
const relative = (got: number, expected: number, tolerance: number) =>
  expect(Math.abs(got - expected), `${got} against ${expected}`).toBeLessThanOrEqual(tolerance * Math.abs(expected));

describe("wilsonInterval", () => {
  test.each([
    [423, 500, 0.95, 0.811734636678946, 0.8749893197216598],
    [0, 20, 0.95, 0, 0.16112515805281935],
    [20, 20, 0.95, 0.8388748419471808, 1],
    [1465, 2000, 0.95, 0.7126678971131616, 0.751440675901056],
    [1, 3, 0.99, 0.04042662929608476, 0.855783984952333],
    [7644, 10000, 0.9, 0.7573487439822213, 0.7713082255774333],
  ])("%d of %d at %d: scipy binomtest(k, n).proportion_ci(method='wilson')", (k, n, confidence, low, high) => {
    const interval = wilsonInterval(k, n, confidence);
    relative(interval.low, low, 1e-12);
    relative(interval.high, high, 1e-12);
  });

  test("95 % is the default; no trials say nothing", () => {
    expect(wilsonInterval(423, 500)).toEqual(wilsonInterval(423, 500, 0.95));
    expect(wilsonInterval(0, 0)).toEqual({ low: 0, high: 1 });
  });

  test.each([
    [[5, 4], "invalid count 5, expected an integer 0-4"],
    [[-1, 4], "invalid count -1"],
    [[1.5, 4], "invalid count 1.5"],
    [[1, 4, 1], "invalid confidence 1"],
  ] as [[number, number, number?], string][])("rejects %o", (args, message) => {
    expect(() => wilsonInterval(...args)).toThrow(message);
  });
});

describe("mcNemarExact", () => {
  test.each([
    [10, 2, 0.03857421875],
    [1, 0, 1],
    [0, 0, 1],
    [5, 5, 1],
    [24, 26, 0.887724827340783],
    [30, 12, 0.007915897334896727],
    [0, 40, 1.8189894035458565e-12],
    [3, 25, 2.744048833847046e-5],
    [600, 800, 9.973796132250669e-8],
    [499_000, 501_000, 0.0456082998653896],
    [500_500, 499_500, 0.3177946913633297],
    [0, 2000, 0],
    [480_000, 520_000, 0],
  ])("%d against %d: scipy binomtest(min, n).pvalue", (b, c, p) => {
    relative(mcNemarExact(b, c), p, 1e-9);
    expect(mcNemarExact(c, b)).toBe(mcNemarExact(b, c));
  });

  test("is the binomial sum, in integers, for all small counts", () => {
    for (let n = 0; n <= 60; n++) {
      let row = [1n];
      for (let i = 0; i < n; i++) row = [...row, 0n].map((x, k) => x + (row[k - 1] ?? 0n));
      for (let b = 0; b <= n; b++) {
        const tail = row.slice(0, Math.min(b, n - b) + 1).reduce((a, x) => a + x, 0n);
        relative(mcNemarExact(b, n - b), Math.min(1, (2 * Number(tail)) / 2 ** n), 1e-12);
      }
    }
  });

  test("is never above 1 and falls as the sides part", () => {
    let last = 1;
    for (let k = 5000; k >= 0; k -= 7) {
      const p = mcNemarExact(k, 10_000 - k);
      expect(p).toBeLessThanOrEqual(last);
      last = p;
    }
  });

  test("rejects counts that are none", () => {
    expect(() => mcNemarExact(-1, 3)).toThrow("mcNemarExact: invalid count -1");
    expect(() => mcNemarExact(1, Number.NaN)).toThrow("invalid count NaN");
  });
});

describe("evenDropTest", () => {
  test.each([
    [[3, 5, 2, 9], [250, 250, 240, 230], 6.908766475691813, 3, 0.07486325073633049, 4.505154639175258],
    [[10, 10, 10], [100, 100, 100], 0, 2, 1, 10],
    [[0, 0, 40, 1, 2, 0, 3, 1, 0, 1], new Array(10).fill(250), 294.3175638934204, 9, 4.1854467035022365e-58, 4.8],
    [[12, 7], [96, 120], 2.954635319262624, 1, 0.08563162283372515, 8.444444444444445],
  ])(
    "%o of %o: scipy chi2_contingency([lost, kept], correction=False)",
    (lost, eligible, statistic, dof, p, expected) => {
      const result = evenDropTest(lost, eligible);
      expect(result.degreesOfFreedom).toBe(dof);
      expect(Math.abs(result.statistic - statistic)).toBeLessThan(1e-10 * (1 + statistic));
      relative(result.p, p, 1e-10);
      relative(result.smallestExpected, expected, 1e-12);
    },
  );

  test("nothing lost, all lost, a single class: nothing differs", () => {
    expect(evenDropTest([0, 0], [10, 20]).p).toBe(1);
    expect(evenDropTest([10, 20], [10, 20]).p).toBe(1);
    expect(evenDropTest([3], [10])).toMatchObject({ degreesOfFreedom: 0, p: 1 });
    expect(evenDropTest([], [])).toMatchObject({ degreesOfFreedom: 0, p: 1 });
  });

  test("classes without images do not count", () => {
    expect(evenDropTest([12, 0, 7], [96, 0, 120])).toEqual(evenDropTest([12, 7], [96, 120]));
  });

  test("rejects tables that are none", () => {
    expect(() => evenDropTest([1], [1, 2])).toThrow("1 losses for 2 classes");
    expect(() => evenDropTest([1, 3], [1, 2])).toThrow(
      "evenDropTest (class 1): invalid count 3, expected an integer 0-2",
    );
  });
});

describe("special functions", () => {
  test.each([
    [0.5, 1, 0.47950012218695337],
    [3.84, 1, 0.05004352124870519],
    [10, 9, 0.3504852123233613],
    [100, 9, 1.5735176303753876e-17],
    [0.001, 3, 0.9999915920809419],
    [999, 999, 0.4940498779585279],
    [1200, 999, 1.112935044825893e-5],
    [50, 200, 1],
    [700, 3, 2.0991308534204487e-151],
    [0, 4, 1],
    [Infinity, 4, 0],
  ])("chiSquareTail(%d, %d): scipy chi2.sf", (x, k, p) => relative(chiSquareTail(x, k), p, 2e-12));

  test("Q(1, x) = e^−x and Q(½, x²) = erfc(x), on both sides of the switch of methods", () => {
    for (let x = 0.01; x < 30; x *= 1.3) relative(upperGamma(1, x), Math.exp(-x), 1e-12);
    relative(upperGamma(0.5, 1), 0.15729920705028513, 1e-12);
    relative(upperGamma(0.5, 4), 0.004677734981047266, 1e-12);
  });

  test.each([
    [0.5, 0],
    [0.9, 1.2815515655446004],
    [0.975, 1.959963984540054],
    [0.995, 2.5758293035489004],
    [0.9999, 3.719016485455709],
    [0.001, -3.090232306167813],
    [1e-12, -7.034483825301131],
    [0, -Infinity],
    [1, Infinity],
    [2, Number.NaN],
  ])("normalQuantile(%d): scipy norm.ppf", (p, z) => {
    if (Number.isFinite(z)) relative(normalQuantile(p), z, 1e-11);
    else expect(normalQuantile(p)).toBe(z);
  });

  test.each([
    [0.1, 2.252712651734206],
    [0.5, 0.5723649429247],
    [2.5, 0.2846828704729192],
    [10, 12.801827480081469],
    [11.9, 17.25847745059552],
    [12, 17.502307845873887],
    [100, 359.1342053695754],
    [1_000_001, 12815518.384658169],
  ])("lnGamma(%d): scipy gammaln", (x, y) => expect(Math.abs(lnGamma(x) - y)).toBeLessThan(2e-14 * Math.max(1, y)));
});
