import * as ort from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { answerLack } from "../../src/analyze/answer-lack.js";
import { guessPreprocessing } from "../../src/analyze/index.js";
import { logDistance } from "../../src/analyze/stored-statistics.js";
import {
  type ColorOrder,
  createPreprocessor,
  type Dataset,
  type DecodedImage,
  PRESETS,
  type PreprocessOptions,
  type PresetName,
  randomDataset,
} from "../../src/data/index.js";
import { GraphBuilder, type Model, Tensor } from "../../src/graph/index.js";
import { createRandom } from "../../src/math/index.js";
import { createRunner, exposeValues } from "../../src/runtime/index.js";
import { testModel } from "../helpers/build.js";

const context = { runner: createRunner(ort as never, { threads: 1 }) };
const SIDE = 16;
const TRAINED = 100;
const TARGET = { channels: 3, height: SIDE, width: SIDE, layout: "NCHW" as const };

/** Pictures of coloured slopes: much red, little blue. */
function pictures(count: number, seed: number): DecodedImage[] {
  return Array.from({ length: count }, (_, index) => {
    const random = createRandom(seed, index);
    const slopes = Array.from({ length: 6 }, () => random.normal());
    const data = new Uint8Array(SIDE * SIDE * 3);
    for (let at = 0; at < SIDE * SIDE; at++)
      for (const [channel, base] of [170, 110, 60].entries()) {
        const slope = slopes[channel]! * (at % SIDE) + slopes[channel + 3]! * Math.floor(at / SIDE);
        data[at * 3 + channel] = Math.max(0, Math.min(255, base + 5 * slope + 25 * random.normal()));
      }
    return { width: SIDE, height: SIDE, channels: 3, data };
  });
}

const opener =
  (images: readonly DecodedImage[]) =>
  async (preprocess: PreprocessOptions): Promise<Dataset> => {
    const toSample = createPreprocessor(preprocess, TARGET);
    return {
      length: images.length,
      shape: [3, SIDE, SIDE],
      id: (index) => `image ${index}`,
      fill(index, out, offset) {
        toSample(images[index]!, "image", out, offset);
      },
    };
  };

/** Three times convolution, normalization with placeholders, ReLU; then `classes` scores. */
function network(seed: number, classes = 5): Model {
  const net = testModel(seed);
  let value = net.builder.input("input", ["N", 3, SIDE, SIDE]);
  let channels = 3;
  for (const [at, next] of [8, 12, 12].entries()) {
    const conv = net.builder.node("Conv", [value, net.random([next, channels, 3, 3], "w", 0.3)]);
    const parameters = [
      net.positive([next]),
      net.random([next]),
      net.random([next], `mean${at}`),
      net.positive([next], `var${at}`),
    ];
    value = net.builder.node("Relu", [net.builder.node("BatchNormalization", [conv, ...parameters])]);
    channels = next;
  }
  const pooled = net.builder.node("Flatten", [net.builder.node("GlobalAveragePool", [value])]);
  net.builder.output(net.builder.node("Gemm", [pooled, net.random([channels, classes], "fc", 3)]));
  return net.model;
}

/** Writes into each normalization what it is given of these images: what training with momentum ends with. */
async function trained(preprocess: PreprocessOptions, seed = 1): Promise<Model> {
  const model = network(seed);
  const dataset = await opener(pictures(TRAINED, 100 + seed))(preprocess);
  const data = new Float32Array(TRAINED * 3 * SIDE * SIDE);
  for (let index = 0; index < TRAINED; index++) await dataset.fill(index, data, index * 3 * SIDE * SIDE);
  const feeds = { input: { dtype: "float32" as const, dims: [TRAINED, 3, SIDE, SIDE], data } };
  for (const node of model.graph.nodes.filter(({ opType }) => opType === "BatchNormalization")) {
    const results = await context.runner.using(exposeValues(model, [node.inputs[0]!]), (session) => session.run(feeds));
    const { data: values, dims } = results[node.inputs[0]!]!;
    const [count, channels, area] = [dims[0]!, dims[1]!, dims[2]! * dims[3]!];
    const moments = Array.from({ length: channels }, (_, channel) => {
      let [sum, squares] = [0, 0];
      for (let image = 0; image < count; image++)
        for (let at = 0; at < area; at++) {
          const value = Number(values[(image * channels + channel) * area + at]);
          sum += value;
          squares += value * value;
        }
      const mean = sum / (count * area);
      return { mean, variance: squares / (count * area) - mean * mean };
    });
    const set = (input: number, own: number[]) =>
      model.graph.initializers.set(node.inputs[input]!, Tensor.float32([channels], own));
    set(
      3,
      moments.map(({ mean }) => mean),
    );
    set(
      4,
      moments.map(({ variance }) => variance),
    );
  }
  return model;
}

const open = opener(pictures(40, 7));

describe("what BatchNormalization stored tells the preprocessing", () => {
  const cases: { preset: PresetName; colorOrder: ColorOrder }[] = [
    { preset: "imagenet", colorOrder: "RGB" },
    { preset: "imagenet", colorOrder: "BGR" },
    { preset: "tf", colorOrder: "RGB" },
    { preset: "zero-one", colorOrder: "BGR" },
    { preset: "raw", colorOrder: "RGB" },
  ];
  test.each(cases)("$preset, $colorOrder, on other images", async ({ preset, colorOrder }) => {
    const model = await trained({ preset, colorOrder });
    const guess = await guessPreprocessing(model, { open }, context);
    expect(guess).toMatchObject({
      by: "statistics",
      verdict: "found",
      isColorOrderFound: true,
      isUnlikeTraining: false,
    });
    expect(guess.ranking[0]!.options).toEqual({ preset, ...(colorOrder === "BGR" && { colorOrder }) });
    expect(guess.margin).toBeGreaterThan(2);
  });

  test("a network that takes the channels last", async () => {
    const model = await trained({ preset: "tf" });
    const { graph } = model;
    graph.inputs[0] = { name: "input", dtype: "float32", shape: ["N", SIDE, SIDE, 3] };
    const builder = new GraphBuilder(graph);
    const turned = builder.node("Transpose", ["input"], { perm: { type: "ints", value: [0, 3, 1, 2] } });
    const transpose = graph.nodes.pop()!;
    for (const node of graph.nodes) node.inputs = node.inputs.map((name) => (name === "input" ? turned : name));
    graph.nodes.unshift(transpose);
    const openLast = async (preprocess: PreprocessOptions) => {
      const toSample = createPreprocessor(preprocess, { ...TARGET, layout: "NHWC" });
      const dataset = await open(preprocess);
      const images = pictures(40, 7);
      return {
        ...dataset,
        shape: [SIDE, SIDE, 3],
        fill: (index: number, out: Float32Array, offset: number) => void toSample(images[index]!, "image", out, offset),
      };
    };
    const guess = await guessPreprocessing(model, { open: openLast }, context);
    expect(guess.verdict).toBe("found");
    expect(guess.ranking[0]!.name).toBe("tf");
  });

  test("grey pictures leave the colour order open", async () => {
    const grey = pictures(40, 7).map((image) => {
      const data = image.data.map((_, at) => image.data[at - (at % 3)]!);
      return { ...image, data };
    });
    const guess = await guessPreprocessing(await trained({ preset: "tf" }), { open: opener(grey) }, context);
    expect(guess).toMatchObject({ isColorOrderFound: false });
    expect(guess.ranking[0]!.options.colorOrder).toBeUndefined();
  });

  test("a preset that was given is checked", async () => {
    const model = await trained({ preset: "imagenet" });
    const wrong = await guessPreprocessing(model, { open, given: { preset: "tf" } }, context);
    expect(wrong.givenLosesBy).toBeGreaterThan(2);
    expect(wrong.ranking[0]!.name).toBe("imagenet");
    const right = await guessPreprocessing(model, { open, given: { preset: "imagenet" } }, context);
    expect(right.givenLosesBy).toBeUndefined();
    const { mean, std } = PRESETS.imagenet;
    const typed = await guessPreprocessing(model, { open, given: { mean, std } }, context);
    expect(typed.givenLosesBy).toBeUndefined();
  });

  test("numbers that no preset has are found where a file beside the model declares them", async () => {
    const declared = { mean: [200, 20, 90], std: [20, 90, 40] };
    const model = await trained(declared);
    const without = await guessPreprocessing(model, { open }, context);
    expect(without.verdict).not.toBe("found");
    const guess = await guessPreprocessing(model, { open, declared }, context);
    expect(guess.verdict).toBe("found");
    expect(guess.ranking[0]).toMatchObject({ name: "preprocessor_config.json", options: declared });
  });

  test("a declaration that the network contradicts is not believed", async () => {
    const model = await trained({ preset: "tf" });
    const guess = await guessPreprocessing(model, { open, declared: { mean: 0, std: 1 } }, context);
    expect(guess.verdict).toBe("found");
    expect(guess.ranking[0]!.name).toBe("tf");
  });

  test("pictures that no scaling makes alike are said to be unlike", async () => {
    const model = await trained({ preset: "tf" });
    const noise = pictures(40, 9).map((image, index) => {
      const random = createRandom(index);
      return { ...image, data: image.data.map(() => (random.uniform() < 0.5 ? 0 : 255)) };
    });
    const guess = await guessPreprocessing(model, { open: opener(noise) }, context);
    expect(guess.isUnlikeTraining).toBe(true);
    expect(guess.verdict).not.toBe("found");
  });
});

describe("where nothing was stored", () => {
  test("untrained normalization is none", async () => {
    const model = network(1);
    for (const [name, { dims }] of model.graph.initializers) {
      if (/^mean/.test(name)) model.graph.initializers.set(name, Tensor.float32(dims, new Float32Array(dims[0]!)));
      if (/^var/.test(name))
        model.graph.initializers.set(name, Tensor.float32(dims, new Float32Array(dims[0]!).fill(1)));
    }
    const guess = await guessPreprocessing(model, { open }, context);
    expect(guess.by).toBe("answers");
  });

  test("no normalization and no classes: nothing", async () => {
    const { model, builder } = GraphBuilder.model("plain");
    builder.output(builder.node("Relu", [builder.input("input", ["N", 3, SIDE, SIDE])]));
    expect(await guessPreprocessing(model, { open }, context)).toMatchObject({ by: "nothing", verdict: "unknown" });
  });

  test("numbers and random input are no pixels", async () => {
    const model = await trained({ preset: "tf" });
    const numbers = async (preprocess: PreprocessOptions) => ({ ...(await open(preprocess)), preprocessed: false });
    expect((await guessPreprocessing(model, { open: numbers }, context)).reason).toContain("numbers");
    const random = async () => randomDataset([3, SIDE, SIDE], 4, 1);
    expect((await guessPreprocessing(model, { open: random }, context)).reason).toContain("random");
  });
});

test("the distance is the geometric mean of divergences between normals", () => {
  const [mean, variance] = [Float32Array.of(1, -2), Float32Array.of(4, 0.25)];
  const images = [
    { mean: Float32Array.of(0, -1), meanSquare: Float32Array.of(3, 2) },
    { mean: Float32Array.of(2, -3), meanSquare: Float32Array.of(9, 10) },
  ];
  const distance = logDistance({ storedMean: mean, storedVariance: variance, images }, [0, 1]);
  // ∫ p ln(p/q) on a fine grid, of the normals with the moments of both images together.
  const divergence = [0, 1].map((channel) => {
    const m = (images[0]!.mean[channel]! + images[1]!.mean[channel]!) / 2;
    const v = (images[0]!.meanSquare[channel]! + images[1]!.meanSquare[channel]!) / 2 - m * m;
    const normal = (x: number, at: number, of: number) =>
      Math.exp(-((x - at) ** 2) / (2 * of)) / Math.sqrt(2 * Math.PI * of);
    let total = 0;
    for (let x = m - 12 * Math.sqrt(v); x < m + 12 * Math.sqrt(v); x += 1e-3) {
      const p = normal(x, m, v);
      if (p > 1e-300)
        total += p * (Math.log(p) - Math.log(Math.max(normal(x, mean[channel]!, variance[channel]!), 1e-300))) * 1e-3;
    }
    return total + 1e-3;
  });
  expect(distance).toBeCloseTo((Math.log(divergence[0]!) + Math.log(divergence[1]!)) / 2, 3);
});

test("answers lack nothing when each image has its own, everything when all are alike", async () => {
  const { model, builder } = GraphBuilder.model("answers");
  builder.output(builder.node("Identity", [builder.input("input", ["N", 4])]));
  const rows = (row: (index: number) => number[]): Dataset => ({
    length: 4,
    shape: [4],
    id: String,
    fill: (index, out, offset) => void out.set(row(index), offset),
  });
  const own = await answerLack(
    model,
    rows((index) => [0, 1, 2, 3].map((at) => (at === index ? 50 : 0))),
    context,
  );
  const same = await answerLack(
    model,
    rows(() => [9, 0, 0, 0]),
    context,
  );
  expect(own!([0, 1, 2, 3])).toBeLessThan(0.01);
  expect(same!([0, 1, 2, 3])).toBeCloseTo(Math.log(4), 3);
});
