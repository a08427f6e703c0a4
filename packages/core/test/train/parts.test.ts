import { describe, expect, it } from "vitest";
import {
  buildDigitNetwork,
  DIGIT_PARAMETERS,
  differentiate,
  GraphBuilder,
  gradientName,
  int,
  ints,
  learnableParameters,
  learningRate,
  serializeModel,
  validateModel,
} from "../../src/lab.js";
import { poolBeforeRelu } from "../../src/train/pool-first.js";
import { runner } from "../gradient/case.js";
import { testModel } from "../helpers/build.js";
import { smallNetwork } from "./small.js";

describe("the digit network", () => {
  it("has the 21,578 parameters of MathWorks' pruning page, layer by layer", () => {
    const model = buildDigitNetwork(0);
    expect(validateModel(model)).toEqual([]);
    const sizes = [...model.graph.initializers.values()].map(({ size }) => size);
    expect(sizes).toEqual([72, 8, 1152, 16, 4608, 32, 15680, 10]);
    expect(sizes.reduce((a, b) => a + b)).toBe(21578);
    expect(learnableParameters(model.graph).map(({ name }) => name)).toEqual(Object.keys(DIGIT_PARAMETERS));
    const biases = learnableParameters(model.graph).filter(({ kind }) => kind === "bias");
    expect(biases.map(({ name }) => name)).toEqual(["conv_1.bias", "conv_2.bias", "conv_3.bias", "fc.bias"]);
  });

  it("maps any number of images to ten scores", async () => {
    const images = { dtype: "float32" as const, dims: [3, 1, 28, 28], data: new Float32Array(3 * 784).fill(0.5) };
    const results = await runner.using(buildDigitNetwork(0), (session) => session.run({ input: images }));
    expect(results.logits!.dims).toEqual([3, 10]);
  });

  it("draws Glorot-uniform weights and zero biases from the seed", () => {
    expect(serializeModel(buildDigitNetwork(5))).toEqual(serializeModel(buildDigitNetwork(5)));
    expect(serializeModel(buildDigitNetwork(5))).not.toEqual(serializeModel(buildDigitNetwork(6)));
    const { initializers } = buildDigitNetwork(5).graph;
    const bounds = { "conv_1.weight": 81, "conv_2.weight": 216, "conv_3.weight": 432, "fc.weight": 1578 };
    for (const [name, fans] of Object.entries(bounds)) {
      const values = initializers.get(name)!.array() as Float32Array;
      const bound = Math.sqrt(6 / fans);
      const square = values.reduce((sum, w) => sum + w * w, 0) / values.length;
      expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(bound);
      // Variance of a uniform distribution is a third of the squared bound; five deviations of the estimate.
      expect(Math.abs(square / (bound ** 2 / 3) - 1)).toBeLessThan(5 * Math.sqrt(0.8 / values.length));
    }
    for (const [name, tensor] of initializers) {
      if (name.endsWith(".bias")) expect(new Set(tensor.numbers())).toEqual(new Set([0]));
    }
  });
});

describe("learning rate", () => {
  const at = (step: number, epochs = 4) => ({ step, stepsPerEpoch: 10, epochs });

  it("is constant, or falls in steps after whole epochs", () => {
    expect([0, 9, 39].map((step) => learningRate(0.1, { type: "constant" }, 0, at(step)))).toEqual([0.1, 0.1, 0.1]);
    const schedule = { type: "step", epochs: 2, factor: 0.5 } as const;
    expect([0, 19, 20, 39].map((step) => learningRate(0.1, schedule, 0, at(step)))).toEqual([0.1, 0.1, 0.05, 0.05]);
  });

  it("follows half a cosine down to its floor", () => {
    const rates = [0, 10, 20, 40].map((step) => learningRate(1, { type: "cosine", floor: 0.2 }, 0, at(step)));
    expect(rates[0]).toBe(1);
    expect(rates[1]).toBeCloseTo(0.2 + 0.8 * (0.5 + Math.SQRT1_2 / 2), 12);
    expect(rates[2]).toBeCloseTo(0.6, 12);
    expect(rates[3]).toBeCloseTo(0.2, 12);
  });

  it("rises linearly during warm-up", () => {
    const rates = [0, 1, 2, 3, 4].map((step) => learningRate(1, { type: "constant" }, 4, at(step)));
    expect(rates).toEqual([0.25, 0.5, 0.75, 1, 1]);
  });
});

describe("learnable parameters", () => {
  it("are weights and biases, not statistics, bounds or scales", () => {
    const names = learnableParameters(smallNetwork({ batchNorm: true }).graph).map(
      ({ name, kind }) => `${kind} ${name}`,
    );
    expect(names).toEqual([
      ...[
        "weight conv.weight",
        "bias conv.bias",
        "weight bn.scale",
        "bias bn.bias",
        "weight fc.weight",
        "bias fc.bias",
      ],
    ]);
    const test = testModel(1);
    const x = test.builder.input("x", ["N", 4]);
    const product = test.builder.node("MatMul", [x, test.random([4, 3], "w")]);
    const sum = test.builder.node("Add", [test.random([3], "b"), product]);
    const scaled = test.builder.node("Mul", [sum, test.random([3], "scale")]);
    test.builder.output(test.builder.node("Clip", [scaled, test.builder.constant(0, "low")]));
    expect(learnableParameters(test.model.graph).map(({ name, kind }) => `${kind} ${name}`)).toEqual([
      "weight w",
      "bias b",
    ]);
  });
});

describe("poolBeforeRelu", () => {
  function reluPool() {
    const { model, builder } = GraphBuilder.model("pool");
    const x = builder.input("x", [2, 2, 4, 4]);
    const relu = builder.node("Relu", [x]);
    const pool = builder.node("MaxPool", [relu], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) });
    builder.output(builder.node("ReduceSumSquare", [pool], { keepdims: int(0) }, { name: "loss" }));
    return model;
  }
  // Many windows without a positive element, many ties.
  const data = Float32Array.from({ length: 64 }, (_, i) => ((i * 7) % 5) - 3);

  it("changes the order, not the numbers or gradients", async () => {
    const results = [];
    for (const swap of [false, true]) {
      const model = reluPool();
      if (swap) poolBeforeRelu(model.graph);
      expect(model.graph.nodes.map(({ opType }) => opType).indexOf("MaxPool")).toBe(swap ? 0 : 1);
      expect(validateModel(model)).toEqual([]);
      const derived = differentiate(model, { loss: "loss_output", wrt: ["x"], outputs: ["MaxPool_output"] });
      const feeds = { x: { dtype: "float32" as const, dims: [2, 2, 4, 4], data } };
      const run = await runner.using(derived, (session) => session.run(feeds));
      results.push([run.loss_output!.data, run[gradientName("x")]!.data]);
      expect(run[swap ? "Relu_output" : "MaxPool_output"]?.dims ?? [2, 2, 2, 2]).toEqual([2, 2, 2, 2]);
    }
    expect(results[1]).toEqual(results[0]);
  });

  it("leaves a Relu with other readers, and pools that give indices", () => {
    const shared = reluPool();
    const builder = new GraphBuilder(shared.graph);
    builder.output(builder.node("Neg", ["Relu_output"]));
    const before = serializeModel(shared);
    poolBeforeRelu(shared.graph);
    expect(serializeModel(shared)).toEqual(before);
  });
});
