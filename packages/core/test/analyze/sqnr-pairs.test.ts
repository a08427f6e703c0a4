import { expect, it } from "vitest";
import { measurePairs } from "../../src/analyze/index.js";
import { type Dataset, randomDataset } from "../../src/data/index.js";
import { cloneModel, ints, type Model, Tensor } from "../../src/graph/index.js";
import { planQuantization, type QuantizationPlan } from "../../src/quantize/index.js";
import { exposeValues } from "../../src/runtime/index.js";
import { testModel } from "../helpers/build.js";
import { calibrated, runner } from "../helpers/quantized.js";

const DATA = randomDataset([8, 6, 6], 6, 5, { min: -1, max: 1 });

/** Two convolutions, 8 → 24 → 16 channels, with or without a Relu between them: values x, first, between, second. */
function network(relu: boolean): { model: Model; names: { first: string; between: string; second: string } } {
  const t = testModel(9);
  const x = t.builder.input("input", ["N", 8, 6, 6]);
  const pads = { pads: ints([1, 1, 1, 1]) };
  const first = t.builder.node("Conv", [x, t.random([24, 8, 3, 3], "w1"), t.random([24], "b1")], pads, { name: "one" });
  const between = relu ? t.builder.node("Relu", [first]) : first;
  const inputs = [between, t.random([16, 24, 1, 1], "w2"), t.random([16], "b2")];
  const second = t.builder.node("Conv", inputs, {}, { name: "two" });
  const last = t.builder.node("Conv", [second, t.random([2, 16, 1, 1], "w3")], {}, { name: "three" });
  t.builder.output(last);
  return { model: t.model, names: { first, between, second } };
}

async function outputOf(model: Model, value: string, dataset: Dataset): Promise<Float32Array> {
  const size = dataset.shape.reduce((a, b) => a * b, 1);
  const data = new Float32Array(dataset.length * size);
  for (let i = 0; i < dataset.length; i++) await dataset.fill(i, data, i * size);
  const input = { dtype: "float32", dims: [dataset.length, ...dataset.shape], data } as const;
  const options = { optimization: "disabled" } as const;
  const run = await runner.using(exposeValues(model, [value]), (session) => session.run({ input }), options);
  return run[value]!.data as Float32Array;
}

/** The float model with one layer's weight and bias rounded, by the definition. */
function rounded(model: Model, plan: QuantizationPlan, layer: number): Model {
  const copy = cloneModel(model);
  const { layer: own, weight, bias } = plan.parameters[layer]!;
  const floats = (data: Tensor, scale: Float32Array) =>
    Tensor.float32(
      data.dims,
      data.numbers().map((q) => q * scale[0]!),
    );
  copy.graph.initializers.set(own.weight, floats(weight.data, weight.encoding.scale));
  if (bias?.data) copy.graph.initializers.set(own.bias!, floats(bias.data, bias.encoding!.scale));
  return copy;
}

function db(signal: Float32Array, noisy: Float32Array): number {
  const power = signal.reduce((sum, value) => sum + value * value, 0);
  return 10 * Math.log10(power / signal.reduce((sum, value, at) => sum + (value - noisy[at]!) ** 2, 0));
}

it.each([false, true])(
  "noise arrives as a naive run says, and as eqs. (7) and (9) predict; Relu between: %s",
  async (relu) => {
    const { model, names } = network(relu);
    const options = { target: "hailo" } as const;
    const plan = planQuantization(model, await calibrated(model, DATA, options), options);
    const pairs = await measurePairs(model, { plan, samples: 6 }, { runner, data: DATA });
    expect(pairs.map(({ first, second }) => [first, second])).toEqual([
      ["one", "two"],
      ["two", "three"],
    ]);
    const { measured, ranges, refined } = pairs[0]!;
    const signal = await outputOf(model, names.second, DATA);
    expect(measured.firstWeights).toBeCloseTo(
      db(signal, await outputOf(rounded(model, plan, 0), names.second, DATA)),
      1,
    );
    expect(measured.secondWeights).toBeCloseTo(
      db(signal, await outputOf(rounded(model, plan, 1), names.second, DATA)),
      1,
    );
    // Errors add up as powers.
    const noise = (ratio: number) => 10 ** (-ratio / 10);
    for (const own of [ranges, refined, measured]) {
      const sum = noise(own.firstWeights) + noise(own.firstActivations) + noise(own.secondWeights);
      expect(10 * Math.log10(sum / noise(own.all))).toBeCloseTo(0, own === measured ? 0 : 6);
    }
    // The paper's equations are for linear activations: a Relu cuts half of the noise off, which the refined ones know.
    for (const kind of ["firstWeights", "firstActivations", "secondWeights", "all"] as const) {
      expect(Math.abs(refined[kind] - measured[kind]), kind).toBeLessThan(1.5);
      if (!relu) expect(Math.abs(ranges[kind] - measured[kind]), kind).toBeLessThan(1.5);
    }
  },
);

it("says nothing where no layer reads another, and stops when told", async () => {
  const { model } = network(true);
  const plan = planQuantization(model, await calibrated(model, DATA, {}), {});
  const none = { ...plan, activations: new Map() };
  expect(await measurePairs(model, { plan: none }, { runner, data: DATA })).toEqual([]);
  const signal = AbortSignal.abort();
  await expect(measurePairs(model, { plan }, { runner, data: DATA, signal })).rejects.toMatchObject({ code: "E6005" });
});
