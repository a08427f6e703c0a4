import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ActivationStats } from "../../src/calibrate/index.js";
import {
  clipRules,
  dfqFactors,
  type NoiseOptions,
  noiseModel,
  oneStepFactors,
  optimalFactors,
  predictedNoise,
  resolveNoiseOptions,
  type ScaleClasses,
  twoStepFactors,
  unitFactors,
} from "../../src/equalize/index.js";
import { GraphBuilder, ints, type Model, Tensor } from "../../src/graph/index.js";
import { createRandom } from "../../src/math/index.js";
import { linearLayers } from "../../src/operators/index.js";
import { naiveStatistics } from "../helpers/channel-statistics.js";
import { randomFeeds } from "./feeds.js";
import { classesOf as classesOfNetwork, randomFactors } from "./helpers.js";
import { randomNetwork } from "./random-network.js";
import { classesOf, hiddenClass, stats, twoLayers, valuesOf } from "./two-layers.js";

/** Weights, powers and factors of two dense layers, as plain numbers. */
interface Small {
  readonly model: Model;
  readonly classes: ScaleClasses;
  readonly observed: ActivationStats;
  readonly w1: readonly (readonly number[])[];
  readonly w2: readonly (readonly number[])[];
}

function small(seed: number, channels = 3): Small {
  const random = createRandom(seed);
  const float = () => Math.fround(random.normal() * 2 ** (4 * random.uniform() - 2));
  const list = (count: number) => Array.from({ length: count }, float);
  const matrix = (rows: number, columns: number) => Array.from({ length: rows }, () => list(columns));
  const [w1, w2] = [matrix(channels, 2), matrix(2, channels)];
  const model = twoLayers({ w1, w2, b1: list(channels), b2: list(2) });
  const { x, pre, post, out } = valuesOf(model);
  const range = (count: number) => Array.from({ length: count }, () => 0.25 + 4 * random.uniform());
  const [top, low] = [range(channels), range(channels).map((value) => -value)];
  const observed = stats({
    [x]: { max: range(2), min: range(2).map((value) => -value) },
    [pre]: { max: top, min: low },
    [post]: { max: top },
    [out]: { max: range(2), min: range(2).map((value) => -value) },
  });
  return { model, classes: classesOf(model), observed, w1, w2 };
}

/**
 * The noise of the two layers and their values from eqs. (5)–(8) of Meller et al. 2019, element by element: scale the weights, take
 * the step of the scaled tensor, Δ²/12 for every weight and value, bring it to the output of the layer and divide by its power.
 */
function naive(
  { model, observed, w1, w2 }: Small,
  c: readonly number[],
  options: Required<
    Pick<NoiseOptions, "granularity" | "weightBits" | "activationBits" | "weightSymmetric" | "activationSymmetric">
  >,
) {
  const { x, pre, post, out } = valuesOf(model);
  const step = (values: readonly number[], bits: number, symmetric: boolean) => {
    const [high, low] = [Math.max(0, ...values), Math.max(0, ...values.map((value) => -value))];
    return symmetric ? Math.max(high, low) / (2 ** (bits - 1) - 1) : (high + low) / (2 ** bits - 1);
  };
  const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);
  const layer = (
    w: readonly (readonly number[])[],
    a: readonly number[],
    b: readonly number[],
    input: string,
    output: string,
  ) => {
    const scaled = w.map((row, j) => row.map((weight, i) => (weight * b[j]!) / a[i]!));
    const power = a.map((factor, i) => factor ** 2 * observed.get(input)!.meanSquare[i]!);
    const whole = step(scaled.flat(), options.weightBits, options.weightSymmetric);
    const noise = scaled.map((row, j) => {
      const own = options.granularity === "per-tensor" ? whole : step(row, options.weightBits, options.weightSymmetric);
      return ((own ** 2 / 12) * sum(power)) / b[j]! ** 2;
    });
    return sum(noise) / sum(observed.get(output)!.meanSquare);
  };
  const value = (name: string, b: readonly number[]) => {
    const { max, min, meanSquare } = observed.get(name)!;
    const ends = b.flatMap((factor, k) => [factor * max[k]!, factor * min[k]!]);
    const own = step(ends, options.activationBits, options.activationSymmetric);
    return sum(b.map((factor) => own ** 2 / 12 / factor ** 2)) / sum(meanSquare);
  };
  const ones = (count: number) => new Array<number>(count).fill(1);
  return {
    weights: [layer(w1, ones(2), c, x, pre), layer(w2, c, ones(2), post, out)],
    activations: [value(x, ones(2)), value(post, c)],
  };
}

const COMMON = {
  weightBits: 8,
  activationBits: 8,
  weightSymmetric: true,
  activationSymmetric: false,
  granularity: "per-tensor",
} as const;

describe("predicted noise", () => {
  it.each([
    ["defaults", {}],
    ["per channel", { granularity: "per-channel" }],
    ["asymmetric weights", { weightSymmetric: false }],
    ["symmetric activations of 4 bits", { activationSymmetric: true, activationBits: 4 }],
    [
      "weights of 3 bits, asymmetric, per channel",
      { weightBits: 3, weightSymmetric: false, granularity: "per-channel" },
    ],
  ] as const)("is that of a reference element by element: %s", (_, given) => {
    const options = { ...COMMON, ...given };
    for (let seed = 1; seed <= 20; seed++) {
      const own = small(seed);
      const random = createRandom(seed + 100);
      const c = Array.from({ length: 3 }, () => 2 ** (6 * random.uniform() - 3));
      const factors = unitFactors(own.classes);
      factors[hiddenClass(own.model)]!.set(c);
      const { weights, activations, total } = predictedNoise(
        noiseModel(own.classes, own.observed, resolveNoiseOptions(options)),
        factors,
      );
      const expected = naive(own, c, options);
      weights.forEach(({ noise }, k) => {
        expect(noise / expected.weights[k]!).toBeCloseTo(1, 6);
      });
      activations.forEach(({ noise }, k) => {
        expect(noise / expected.activations[k]!).toBeCloseTo(1, 6);
      });
      expect([weights.length, activations.length]).toEqual([2, 2]);
      const sum = [...expected.weights, ...expected.activations].reduce((a, b) => a + b);
      expect(total / sum).toBeCloseTo(1, 6);
    }
  });

  it("counts a channel that nobody hears as nothing", () => {
    const quiet = [
      [1, 2 ** -10, 1],
      [1, 2 ** -10, 1],
    ];
    const model = twoLayers({ w1: small(5).w1, w2: quiet, b1: [0, 0, 0], b2: [0, 0] });
    const own = { ...small(5), model, classes: classesOf(model) };
    const { pre, post } = valuesOf(model);
    const dead = new Map(own.observed);
    const silent = { max: [2, 0, 1], min: [0, 0, 0], mean: [1, 0, 1], meanSquare: [1, 0, 1] };
    dead.set(post, silent).set(pre, { ...silent, min: [-1, -3, -1] });
    const options = resolveNoiseOptions({ granularity: "per-channel" });
    const noise = (factor: number) => {
      const factors = unitFactors(own.classes);
      factors[hiddenClass(own.model)]![1] = factor;
      return predictedNoise(noiseModel(own.classes, dead, options), factors).total;
    };
    // Its factor changes neither a range that others share nor a noise that is heard.
    for (const factor of [1 / 16, 3, 64]) expect(noise(factor)).toBe(noise(1));
    const spoken = unitFactors(own.classes);
    spoken[hiddenClass(own.model)]![0] = 3;
    expect(predictedNoise(noiseModel(own.classes, dead, options), spoken).total).not.toBe(noise(1));
  });

  it("takes sensitivities of channels", () => {
    const own = small(6);
    const { post } = valuesOf(own.model);
    const options = (g: number[]) => resolveNoiseOptions({ sensitivity: new Map([[post, g]]) });
    const at = (g: number[]) =>
      predictedNoise(noiseModel(own.classes, own.observed, options(g)), unitFactors(own.classes)).activations.find(
        ({ value }) => value === post,
      )!.noise;
    // Without factors every channel's noise is Δ²/12, of which the outputs see Σ g·Δ²/12.
    const { max, min } = own.observed.get(post)!;
    const step = (Math.max(...Array.from(max), 0) - Math.min(...Array.from(min), 0)) / 255;
    expect(at([1, 4, 2])).toBeCloseTo((7 * step ** 2) / 12, 10);
    expect(at([1, 1, 1])).toBeCloseTo((3 * step ** 2) / 12, 10);
  });

  it("leaves out the mean that bias correction takes away, but not at borders", async () => {
    const [size, mean, deviation] = [7, 1.5, 2];
    const { model, builder } = GraphBuilder.model("padded");
    const weight = builder.constant(Tensor.float32([1, 1, 3, 3], new Float32Array(9).fill(1)), "w");
    const x = builder.input("x", ["N", 1, size, size]);
    const y = builder.node("Conv", [x, weight], { pads: ints([1, 1, 1, 1]) }, { name: "conv" });
    builder.output(y);
    const classes = await classesOfNetwork(model);
    const known = { max: [9], min: [-9], mean: [mean], meanSquare: [mean ** 2 + deviation ** 2] };
    const observed: ActivationStats = new Map([x, y].map((value) => [value, known]));
    const noise = (biasCorrected: boolean) => {
      const terms = noiseModel(classes, observed, resolveNoiseOptions({ biasCorrected }));
      return predictedNoise(terms, unitFactors(classes)).weights[0]!.noise;
    };
    // What each tap meets at each position: a value, or padding.
    const [power, varying] = [0, 1].map((corrected) => {
      let total = 0;
      for (let tap = 0; tap < 9; tap++) {
        let inside = 0;
        for (let position = 0; position < size ** 2; position++) {
          const row = Math.floor(position / size) + Math.floor(tap / 3) - 1;
          const column = (position % size) + (tap % 3) - 1;
          if (row >= 0 && row < size && column >= 0 && column < size) inside++;
        }
        const share = inside / size ** 2;
        total += share * (mean ** 2 + deviation ** 2) - corrected * (share * mean) ** 2;
      }
      return total;
    });
    // The formula takes the share over all taps; the squares of single shares differ a little.
    expect(noise(true) / noise(false)).toBeCloseTo(varying! / power!, 2);
    expect(noise(true)).toBeLessThan(0.75 * noise(false));
  });

  it("says what it left out", () => {
    const own = small(7);
    const { pre } = valuesOf(own.model);
    const partial = new Map([...own.observed].filter(([value]) => value !== pre));
    const { missing } = noiseModel(own.classes, partial, resolveNoiseOptions({}));
    expect(missing).toContainEqual({ label: "first", reason: `no statistics of "${pre}"` });
  });
});

describe("optimal factors", () => {
  const noiseOf = (own: Small, given: NoiseOptions = {}) =>
    noiseModel(own.classes, own.observed, resolveNoiseOptions(given));

  it.each([
    ["per-tensor", 3],
    ["per-channel", 3],
    ["per-tensor", 2],
  ] as const)(
    "%s, %i channels: lower bound ≤ least noise of a search on a grid ≤ noise of the factors, within the gap",
    (granularity, channels) => {
      for (let seed = 1; seed <= 8; seed++) {
        const own = small(seed, channels);
        const model = noiseOf(own, { granularity });
        const id = hiddenClass(own.model);
        const { factors, objective, lowerBound, gap } = optimalFactors(
          model,
          clipRules(own.classes, own.observed, "exact"),
        );
        expect(predictedNoise(model, factors).total).toBeCloseTo(objective, 12);
        expect(gap).toBeLessThanOrEqual(0.005);
        expect(lowerBound).toBeCloseTo(objective * (1 - gap), 12);
        const best = gridSearch(channels, (c) => {
          const own = unitFactors(model.classes);
          own[id]!.set(c);
          return predictedNoise(model, own).total;
        });
        expect(best).toBeGreaterThanOrEqual(lowerBound * (1 - 1e-9));
        expect(objective).toBeLessThanOrEqual(best * 1.005);
      }
    },
  );

  it("no factors at all lie below the bound, and no method beats the optimum, on random networks", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 1e6 }),
        fc.constantFrom("per-tensor", "per-channel"),
        async (seed, granularity) => {
          const { model } = randomNetwork(seed);
          const classes = await classesOfNetwork(model);
          const observed = await naiveStatistics(model, [
            randomFeeds(model, seed + 1, 4),
            randomFeeds(model, seed + 2, 4),
          ]);
          const noise = noiseModel(classes, observed, resolveNoiseOptions({ granularity }));
          const rules = clipRules(classes, observed, "exact");
          const { objective, lowerBound, gap } = optimalFactors(noise, rules);
          expect(gap).toBeLessThan(0.02);
          const others = [
            unitFactors(classes),
            randomFactors(classes, seed + 3),
            dfqFactors(classes, rules).factors,
            oneStepFactors(classes, observed, rules).factors,
            twoStepFactors(classes, observed, rules, "exact").factors,
          ];
          for (const factors of others) {
            const { total } = predictedNoise(noise, factors);
            expect(total).toBeGreaterThanOrEqual(lowerBound * (1 - 1e-9));
            expect(objective).toBeLessThanOrEqual(total * 1.005);
          }
        },
      ),
      { numRuns: 12, seed: 20260102 },
    );
  }, 30_000);

  it("leaves a network as it is in which nothing can be scaled", () => {
    const own = small(9);
    own.model.graph.nodes[1]!.opType = "Sigmoid";
    const classes = classesOf(own.model);
    expect(linearLayers(own.model.graph)).toHaveLength(2);
    const model = noiseModel(classes, own.observed, resolveNoiseOptions({}));
    const { factors, gap } = optimalFactors(model, clipRules(classes, own.observed, "exact"));
    expect(factors).toEqual(unitFactors(classes));
    expect(gap).toBe(0);
  });
});

/** Least value over factors 2^x: a coarse grid, then ever finer ones around the best, which finds a convex function's minimum. */
function gridSearch(channels: number, noise: (c: number[]) => number): number {
  let centre = new Array<number>(channels).fill(0);
  let best = Number.POSITIVE_INFINITY;
  for (let step = 2; step > 1e-3; step /= 1.6) {
    for (let moved = true; moved; ) {
      moved = false;
      for (const point of neighbours(centre, step)) {
        const value = noise(point.map((x) => 2 ** x));
        if (value < best) [best, centre, moved] = [value, point, true];
      }
    }
  }
  return best;
}

function neighbours(centre: readonly number[], step: number): number[][] {
  return centre.reduce<number[][]>(
    (all, x) => all.flatMap((point) => [-step, 0, step].map((by) => [...point, x + by])),
    [[]],
  );
}
