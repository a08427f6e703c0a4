import { describe, expect, it } from "vitest";
import {
  int,
  ints,
  linearLayers,
  type Model,
  ModelError,
  prunableParameters,
  RunError,
  SynFlowScorer,
} from "../../src/lab.js";
import { batchNorm, testModel } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";
import { smallNetwork, weightsOf } from "../train/small.js";

type Values = Map<string, Float32Array>;

const valuesOf = (model: Model): Values =>
  new Map(prunableParameters(model).map(({ name }) => [name, weightsOf(model, name)]));

async function scoresOf(model: Model, values: Values = valuesOf(model)) {
  const scorer = await SynFlowScorer.open(model, [...values.keys()], runner);
  try {
    return await scorer.score(values);
  } finally {
    await scorer.dispose();
  }
}

/** Scores by definition: θ·∂R/∂θ of a positive network R, exact because R is linear in every single parameter. */
function byDifferences(values: Values, flow: (values: Map<string, Float64Array>) => number) {
  const magnitudes = new Map([...values].map(([name, own]) => [name, Float64Array.from(own, Math.abs)]));
  const whole = flow(magnitudes);
  return new Map(
    [...magnitudes].map(([name, own]) => [
      name,
      own.map((value, i) => {
        own[i] = 0;
        const without = flow(magnitudes);
        own[i] = value;
        return (whole - without) / whole;
      }),
    ]),
  );
}

function expectClose(actual: ReadonlyMap<string, Float64Array>, expected: ReadonlyMap<string, Float64Array>) {
  expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, own] of expected) {
    own.forEach((score, i) => {
      expect(Math.abs(actual.get(name)![i]! - score), `${name}[${i}]`).toBeLessThan(1e-6 + 2e-5 * score);
    });
  }
}

/** Same-padded 3×3 convolution of a [channels][size²] image in float64. */
function conv3(
  input: Float64Array[],
  weight: Float64Array,
  bias: Float64Array | undefined,
  outputs: number,
  size: number,
) {
  return Array.from({ length: outputs }, (_, o) =>
    Float64Array.from({ length: size * size }, (_unused, at) => {
      let sum = bias?.[o] ?? 0;
      const [y, x] = [Math.floor(at / size), at % size];
      for (let c = 0; c < input.length; c++)
        for (let k = 0; k < 9; k++) {
          const [v, u] = [y + Math.floor(k / 3) - 1, x + (k % 3) - 1];
          if (v >= 0 && v < size && u >= 0 && u < size)
            sum += input[c]![v * size + u]! * weight[(o * input.length + c) * 9 + k]!;
        }
      return sum;
    }),
  );
}

const ones = (channels: number, size: number) =>
  Array.from({ length: channels }, () => new Float64Array(size * size).fill(1));
const pool = (image: Float64Array, size: number) =>
  Float64Array.from({ length: (size / 2) ** 2 }, (_, at) => {
    const [y, x] = [Math.floor(at / (size / 2)) * 2, (at % (size / 2)) * 2];
    return Math.max(...[0, 1, size, size + 1].map((step) => image[y * size + x + step]!));
  });

describe("SynFlow against the definition", () => {
  it("convolution, pool, fully connected", async () => {
    const model = smallNetwork({ seed: 5 });
    const values = valuesOf(model);
    // Max pools make R piecewise linear: pooled positions must not change, which removing one weight may do. The test
    // takes the gradient where the pool's choice is that of the whole network.
    const picks = (network: Map<string, Float64Array>) =>
      conv3(ones(1, 6), network.get("conv.weight")!, network.get("conv.bias")!, 4, 6);
    const whole = picks(new Map([...values].map(([name, own]) => [name, Float64Array.from(own, Math.abs)])));
    const chosen = whole.map((image) =>
      Array.from(pool(image, 6), (top, at) => {
        const [y, x] = [Math.floor(at / 3) * 2, (at % 3) * 2];
        return [0, 1, 6, 7].map((step) => y * 6 + x + step).find((position) => image[position] === top)!;
      }),
    );
    const expected = byDifferences(values, (network) => {
      const features = picks(network).flatMap((image, c) => chosen[c]!.map((at) => image[at]!));
      const weight = network.get("fc.weight")!;
      let flow = 0;
      for (let o = 0; o < 3; o++) {
        flow += network.get("fc.bias")![o]!;
        features.forEach((value, i) => {
          flow += weight[o * features.length + i]! * value;
        });
      }
      return flow;
    });
    expectClose(await scoresOf(model), expected);
  });

  it("batch normalization, Clip, Add and Concat become positive paths", async () => {
    const test = testModel(9);
    const { builder, model } = test;
    const same = { pads: ints([1, 1, 1, 1]) };
    const conv = (data: string, name: string, from: number, to: number) =>
      builder.node("Conv", [data, test.random([to, from, 3, 3], `${name}.weight`, 0.4)], same, { name });
    const clip = (data: string) => builder.node("Clip", [data, builder.constant(0), builder.constant(6)]);
    const input = builder.input("input", ["N", 2, 4, 4]);
    const first = clip(batchNorm(test, conv(input, "a", 2, 3), 3, "bn"));
    const second = conv(first, "b", 3, 3);
    const sum = builder.node("Add", [first, second]);
    const joined = builder.node("Concat", [sum, first], { axis: int(1) });
    builder.output(conv(joined, "c", 6, 2), "float32", ["N", 2, 4, 4]);
    const [gamma, variance] = ["bn.scale", "bn.var"].map((name) => weightsOf(model, name));
    const expected = byDifferences(valuesOf(model), (network) => {
      const weight = (name: string) => network.get(`${name}.weight`)!;
      const a = conv3(ones(2, 4), weight("a"), undefined, 3, 4).map((image, c) =>
        image.map((value) => (value * Math.abs(gamma![c]!)) / Math.sqrt(variance![c]! + 1e-5)),
      );
      const b = conv3(a, weight("b"), undefined, 3, 4);
      const added = a.map((image, c) => image.map((value, at) => value + b[c]![at]!));
      return conv3([...added, ...a], weight("c"), undefined, 2, 4)
        .flatMap((image) => [...image])
        .reduce((total, value) => total + value, 0);
    });
    expectClose(await scoresOf(model), expected);
  });
});

/** Layers of 8 → 8 without bias on [N, 8], the weights of which are about `size`; every third adds what it read. */
function deepNetwork(depth: number, size: number, residual: boolean): Model {
  const test = testModel(11);
  let value = test.builder.input("input", ["N", 8]);
  for (let k = 0; k < depth; k++) {
    const inputs = [value, test.random([8, 8], `w${k}`, size)];
    const next = test.builder.node("Relu", [test.builder.node("MatMul", inputs, {}, { name: `layer${k}` })]);
    value = residual && k % 3 === 2 ? test.builder.node("Add", [value, next]) : next;
  }
  test.builder.output(value, "float32", ["N", 8]);
  return test.model;
}

/** Forward and backward in float64 with the exponent kept aside, so that nothing leaves its range. */
function deepScores(model: Model, residual: boolean): Map<string, Float64Array> {
  const layers = linearLayers(model.graph).map(({ tensor }) =>
    Float64Array.from(tensor.array() as Float32Array, Math.abs),
  );
  const normal = (values: number[], exponent: number): [number[], number] => {
    const shift = Math.floor(Math.log2(Math.max(...values)));
    return [values.map((value) => value / 2 ** shift), exponent + shift];
  };
  const forward: [number[], number][] = [[new Array(8).fill(1), 0]];
  const skips = (k: number) => residual && k % 3 === 2;
  layers.forEach((weight, k) => {
    const [x, e] = forward[k]!;
    const y = x.map((_, o) => x.reduce((sum, value, i) => sum + value * weight[i * 8 + o]!, skips(k) ? x[o]! : 0));
    forward.push(normal(y, e));
  });
  let back: [number[], number] = [new Array(8).fill(1), 0];
  const [last, lastExponent] = forward.at(-1)!;
  const flow = last.reduce((a, b) => a + b);
  const scores = new Map<string, Float64Array>();
  for (let k = layers.length - 1; k >= 0; k--) {
    const [[x, e], [g, f], weight] = [forward[k]!, back, layers[k]!];
    scores.set(
      `w${k}`,
      weight.map((w, at) => ((w * x[Math.floor(at / 8)]! * g[at % 8]!) / flow) * 2 ** (e + f - lastExponent)),
    );
    back = normal(
      g.map((_, i) => g.reduce((sum, value, o) => sum + value * weight[i * 8 + o]!, skips(k) ? g[i]! : 0)),
      f,
    );
  }
  return scores;
}

describe("deep networks", () => {
  it.each([
    [60, 300, false],
    [60, 1e-4, true],
    [60, 300, true],
    [120, 40, false],
  ])("%i layers of weights about %d, residual %s: as float64 with free exponents", async (depth, size, residual) => {
    const model = deepNetwork(depth, size, residual);
    const [actual, expected] = [await scoresOf(model), deepScores(model, residual)];
    let worst = 0;
    for (const [name, own] of expected) {
      const scores = actual.get(name)!;
      expect(scores.every(Number.isFinite)).toBe(true);
      own.forEach((score, i) => {
        worst = Math.max(worst, Math.abs(scores[i]! - score) / (score + 1e-290));
      });
      // All of the flow passes through each layer of a chain.
      if (!residual) expect(scores.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    }
    expect(worst).toBeLessThan(1e-5);
    const ranked = (scores: ReadonlyMap<string, Float64Array>) => {
      const all = [...expected.keys()].flatMap((name) =>
        Array.from(scores.get(name)!, (score, i) => ({ score, key: `${name}/${i}` })),
      );
      return all.sort((a, b) => a.score - b.score);
    };
    const place = new Map(ranked(actual).map(({ key }, at) => [key, at]));
    // The same order, except among scores that float32 cannot tell apart.
    const order = ranked(expected);
    const swapped = order.map(({ key, score }) => Math.abs(score - order[place.get(key)!]!.score) / (score + 1e-290));
    expect(Math.max(...swapped)).toBeLessThan(2e-5);
  });
});

describe("limits", () => {
  it("says so when nothing flows any more", async () => {
    const model = smallNetwork();
    const values = new Map(
      [...valuesOf(model)].map(([name, own]) => [name, name.startsWith("fc") ? own.map(() => 0) : own]),
    );
    const failure = scoresOf(model, values);
    await expect(failure).rejects.toThrow(RunError);
    await expect(failure).rejects.toMatchObject({ code: "E7004" });
  });

  it("names an operator without rule", async () => {
    const test = testModel(1);
    const data = test.builder.input("input", ["N", 4]);
    const layer = test.builder.node("MatMul", [data, test.random([4, 3], "w")]);
    test.builder.output(test.builder.node("Exp", [layer], {}, { name: "growth" }), "float32", ["N", 3]);
    await expect(scoresOf(test.model)).rejects.toThrow(ModelError);
    await expect(scoresOf(test.model)).rejects.toMatchObject({ code: "E4001", details: { node: "growth" } });
  });

  it("takes the uses of a shared weight together", async () => {
    const test = testModel(2);
    const data = test.builder.input("input", ["N", 4]);
    const weight = test.random([4, 4], "w");
    const twice = test.builder.node("MatMul", [test.builder.node("MatMul", [data, weight]), weight]);
    test.builder.output(twice, "float32", ["N", 4]);
    const scores = (await scoresOf(test.model)).get("w")!;
    // R is of degree two in the weights: Euler's sum is 2R.
    expect(scores.reduce((a, b) => a + b)).toBeCloseTo(2, 5);
  });
});
