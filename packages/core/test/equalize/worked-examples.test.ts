import { describe, expect, it } from "vitest";
import {
  absorbBiases,
  applyFactors,
  clipRules,
  dfqFactors,
  equalize,
  type GreedyOptions,
  oneStepFactors,
  twoStepFactors,
} from "../../src/equalize/index.js";
import { cloneModel, type Model } from "../../src/graph/index.js";
import { runner } from "../helpers/runner.js";
import { classesOf, hiddenClass, parametersOf, shapesOf, stats, twoLayers, valuesOf } from "./two-layers.js";

/*
 * Two layers, three channels between them, calculated by hand. Every number is a binary fraction, so that float32 holds it exactly.
 *
 *   W1 = [  4     -2       1     ]  kerOutChMax = 4, 1, 1/8     b1 = 1, -2, 1/2
 *        [  1      1/2    -1/4   ]  kerOutMax   = 4
 *        [ -1/8    1/16    1/32  ]
 *   W2 = [  1     -4       2     ]  sucInChMax  = 1, 4, 8       b2 = 1/2, -1
 *        [  1/2    2      -8     ]  sucInMax    = 8, so that the shares are 1/8, 1/2, 1
 *   actOutChMax = 8, 4, 1/2, actOutMax = 8
 */
const NETWORK = {
  w1: [
    [4, -2, 1],
    [1, 0.5, -0.25],
    [-0.125, 0.0625, 0.03125],
  ],
  b1: [1, -2, 0.5],
  w2: [
    [1, -4, 2],
    [0.5, 2, -8],
  ],
  b2: [0.5, -1],
};

function setUp() {
  const model = twoLayers(NETWORK);
  const { x, pre, post, out } = valuesOf(model);
  const classes = classesOf(model);
  const observed = stats({
    [x]: { max: [1, 1, 1], min: [-1, -1, -1] },
    [pre]: { max: [8, 4, 0.5], min: [-16, -2, -1] },
    [post]: { max: [8, 4, 0.5] },
    [out]: { max: [8, 8], min: [-8, -8] },
  });
  return { model, classes, observed, rules: clipRules(classes, observed, "exact") };
}

/** The hidden factors and the parameters after them. */
function scaled(choose: (own: ReturnType<typeof setUp>) => readonly Float64Array[]) {
  const own = setUp();
  const factors = choose(own);
  const hidden = [...factors[hiddenClass(own.model)]!];
  applyFactors(own.model, own.classes, factors);
  return { factors: hidden, ...parametersOf(own.model) };
}

const oneStep = (options?: GreedyOptions) =>
  scaled(({ classes, observed, rules }) => oneStepFactors(classes, observed, rules, options).factors);
const twoStep = (options?: GreedyOptions) =>
  scaled(({ classes, observed, rules }) => twoStepFactors(classes, observed, rules, "exact", options).factors);

describe("Algorithm 1, one step (Meller et al. 2019)", () => {
  it("scales each channel by the lesser of kerScale and actScale", () => {
    // kerScale = 4/4, 4/1, 4/(1/8) = 1, 4, 32; actScale = 8/8, 8/4, 8/(1/2) = 1, 2, 16; S_max = 16.
    // scale = min(1, 1, 16), min(4, 2, 16), min(32, 16, 16) = 1, 2, 16.
    expect(oneStep()).toEqual({
      factors: [1, 2, 16],
      w1: [
        [4, -2, 1],
        [2, 1, -0.5],
        [-2, 1, 0.5],
      ],
      b1: [1, -4, 8],
      // Columns divided by 1, 2, 16. The bias of the second layer does not change.
      w2: [
        [1, -2, 0.125],
        [0.5, 1, -0.5],
      ],
      b2: [0.5, -1],
    });
  });

  it("goes no further than S_max", () => {
    // min(1, 1, 3), min(4, 2, 3), min(32, 16, 3)
    expect(oneStep({ smax: 3 }).factors).toEqual([1, 2, 3]);
  });

  it("with limitPreActivation not beyond max(A/|m|, 1), m being the lowest value before the activation", () => {
    // A/|m| = 8/16, 8/2, 8/1, so that the limits are 1, 4, 8: min(1, 1), min(4, 2, 4), min(32, 16, 16, 8).
    expect(oneStep({ limitPreActivation: true }).factors).toEqual([1, 2, 8]);
  });
});

describe("Algorithm 2, two steps (Meller et al. 2019)", () => {
  it("weighs both scales by the successor's ranges and divides by the least", () => {
    // kerScale = 1·1/8, 4·1/2, 32·1 = 1/8, 2, 32; actScale = 1·1/8, 2·1/2, 16·1 = 1/8, 1, 16; S_max = 16.
    // scale = 1/8, 1, 16; divided by its minimum 1/8: 1, 8, 128.
    expect(twoStep()).toEqual({
      factors: [1, 8, 128],
      w1: [
        [4, -2, 1],
        [8, 4, -2],
        [-16, 8, 4],
      ],
      b1: [1, -16, 64],
      w2: [
        [1, -0.5, 0.015625],
        [0.5, 0.25, -0.0625],
      ],
      b2: [0.5, -1],
    });
  });

  it("takes S_max before it divides", () => {
    // min(1/8, 4), min(1, 4), min(16, 4) = 1/8, 1, 4; divided by 1/8.
    expect(twoStep({ smax: 4 }).factors).toEqual([1, 8, 32]);
  });

  it("with limitPreActivation too", () => {
    // Limits 1, 4, 8 as above: 1/8, 1, min(16, 8) = 8; divided by 1/8.
    expect(twoStep({ limitPreActivation: true }).factors).toEqual([1, 8, 64]);
  });
});

describe("cross-layer equalization (Nagel et al. 2019)", () => {
  it("makes the ranges of both sides equal", () => {
    // r1 = 4, 1, 1/8 and r2 = 1, 4, 8. Eq. (11): s = √(r1·r2)/r2 = 2/1, 2/4, 1/8; the paper divides the first layer by it.
    // Our factor is 1/s = 1/2, 2, 8; both ranges become √(r1·r2) = 2, 2, 1.
    const result = scaled(({ classes, rules }) => dfqFactors(classes, rules).factors);
    result.factors.forEach((factor, k) => {
      expect(factor).toBeCloseTo([0.5, 2, 8][k]!, 12);
    });
    expect(result).toMatchObject({
      w1: [
        [2, -1, 0.5],
        [2, 1, -0.5],
        [-1, 0.5, 0.25],
      ],
      b1: [0.5, -4, 4],
      w2: [
        [2, -2, 0.25],
        [1, 1, -1],
      ],
      b2: [0.5, -1],
    });
  });

  it("arrives in one round and stays", () => {
    const { classes, rules } = setUp();
    expect(dfqFactors(classes, rules).rounds).toBe(2);
  });
});

describe("high-bias absorption (Nagel et al. 2019, §4.1.3)", () => {
  it("c = max(0, β − 3γ) leaves the first bias and enters the second through the weights", () => {
    const { model, observed } = setUp();
    const { pre } = valuesOf(model);
    // β − 3γ = 10 − 3·2, 3 − 3·2, −1 − 3·1 = 4, −3, −4, so that c = 4, 0, 0.
    // b1 − c = −3, −2, 1/2; b2 + W2·c = 1/2 + 1·4, −1 + 1/2·4 = 9/2, 1.
    const moments = new Map([[pre, { mean: [10, 3, -1], deviation: [2, 2, 1] }]]);
    const result = absorbBiases(model.graph, shapesOf(model), observed, "three-sigma", moments);
    // The largest output of the channel is 8: half of it is absorbed.
    expect(result).toEqual({ absorbed: [{ node: "first", channels: 1, largest: 0.5 }], skipped: [] });
    const { w1, w2 } = NETWORK;
    expect(parametersOf(model)).toEqual({ w1, w2, b1: [-3, -2, 0.5], b2: [4.5, 1] });
  });

  it("takes mean and deviation from the statistics where no BatchNormalization told them", () => {
    const { model } = setUp();
    const { pre } = valuesOf(model);
    // Deviations √(104 − 10²) = 2, √(13 − 3²) = 2, √(2 − 1²) = 1: the same c.
    const observed = stats({ [pre]: { max: [16, 9, 2], mean: [10, 3, -1], meanSquare: [104, 13, 2] } });
    absorbBiases(model.graph, shapesOf(model), observed, "three-sigma");
    expect(parametersOf(model)).toMatchObject({ b1: [-3, -2, 0.5], b2: [4.5, 1] });
  });

  it("behind dfq the lowest values seen are scaled like the channels", async () => {
    const model = twoLayers(NETWORK);
    const { x, pre, post, out } = valuesOf(model);
    const observed = stats({
      [x]: { max: [1, 1, 1], min: [-1, -1, -1] },
      [pre]: { max: [8, 4, 0.5], min: [2.5, -1, 0.25] },
      [post]: { max: [8, 4, 0.5] },
      [out]: { max: [8, 8], min: [-8, -8] },
    });
    const options = { method: "dfq", absorbBias: "observed", stats: observed, shapes: shapesOf(model) } as const;
    const before = cloneModel(model);
    const report = await equalize(options)(model, {});
    expect(report.undone).toEqual([]);
    // Lowest values 5/2, −1, 1/4 times 1/2, 2, 8: c = 5/4, 0, 2.
    // b1 = 1/2 − 5/4, −4, 4 − 2; b2 = 1/2 + 2·5/4 + 1/4·2, −1 + 1·5/4 − 1·2 = 7/2, −7/4.
    const { b1, b2 } = parametersOf(model);
    [-0.75, -4, 2].forEach((bias, k) => {
      expect(b1[k]).toBeCloseTo(bias, 6);
    });
    [3.5, -1.75].forEach((bias, k) => {
      expect(b2[k]).toBeCloseTo(bias, 6);
    });
    // Pre-activations of (1, 1, 1) are 4, −3/4, 15/32: at or above the lowest seen where something was absorbed, so nothing changes.
    expect(await run(model, [1, 1, 1])).toEqual((await run(before, [1, 1, 1])).map((y) => expect.closeTo(y, 5)));
    // Those of (0, 0, 0) are 1, −2, 1/2: the first lies below 5/2, Relu cuts off 3/2, and the outputs move by W2's first column times 3/2.
    const [plain, absorbed] = [await run(before, [0, 0, 0]), await run(model, [0, 0, 0])];
    expect(absorbed[0]! - plain[0]!).toBeCloseTo(1.5, 5);
    expect(absorbed[1]! - plain[1]!).toBeCloseTo(0.75, 5);
  });
});

async function run(model: Model, input: number[]): Promise<number[]> {
  const feeds = { x: { dtype: "float32" as const, dims: [1, 3], data: Float32Array.from(input) } };
  const outputs = await runner.using(model, (session) => session.run(feeds));
  return [...(Object.values(outputs)[0]!.data as Float32Array)];
}
