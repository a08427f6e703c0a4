import { describe, expect, it } from "vitest";
import { findTargets } from "../../src/correct/targets.js";
import { randomDataset, subset } from "../../src/data/index.js";
import { observeBatchShapes } from "../../src/gradient/index.js";
import { serializeModel, sizeOf, Tensor } from "../../src/graph/index.js";
import { buildBiasStep } from "../../src/learn/bias-step.js";
import { tuneBiases } from "../../src/learn/index.js";
import { studentModel } from "../../src/learn/student.js";
import { createRandom } from "../../src/math/index.js";
import type { HostTensor } from "../../src/runtime/index.js";
import { SCALARS } from "../../src/train/optimizer.js";
import { NETWORKS } from "../helpers/networks.js";
import { applyTo, biasOf, quantized, runner } from "../helpers/quantized.js";

const context = { runner };
const DATA = randomDataset([3, 8, 8], 32, 7, { min: -1, max: 2 });

async function inputs(samples: number): Promise<HostTensor> {
  const data = new Float32Array(samples * sizeOf(DATA.shape));
  for (let at = 0; at < samples; at++) await DATA.fill(at, data, at * sizeOf(DATA.shape));
  return { dtype: "float32", dims: [samples, ...DATA.shape], data };
}

describe("the student", () => {
  for (const name of ["inception", "gate", "bounded", "floatBetween"]) {
    it(`${name}: computes in float what the integer network computes`, async () => {
      const pair = await quantized(NETWORKS[name]!(), DATA, {});
      const { targets } = findTargets("test", pair);
      const student = studentModel(pair.model, targets);
      expect(student.model.graph.nodes.some(({ opType }) => opType.includes("uantizeLinear"))).toBe(false);
      const input = await inputs(8);
      const [expected, actual] = await Promise.all(
        [pair.model, student.model].map(async (model) => {
          const fetched = await runner.using(model, (session) => session.run({ input }), { optimization: "disabled" });
          return fetched[model.graph.outputs[0]!.name]!.data as Float32Array;
        }),
      );
      const power = expected!.reduce((sum, value) => sum + value * value, 0);
      const noise = expected!.reduce((sum, value, at) => sum + (value - actual![at]!) ** 2, 0);
      // Sums in float round ties of integers now and then the other way.
      expect(noise / power).toBeLessThan(1e-4);
    });
  }
});

describe("a step of bias tuning", () => {
  it("goes down the gradient that central differences of the emulated loss show", async () => {
    // 16-bit activations: rounding is fine beside the differences, as is what straight-through leaves out.
    const pair = await quantized(NETWORKS.residual!(), DATA, { activations: "uint16" });
    const { targets } = findTargets("test", pair);
    const student = studentModel(pair.model, targets);
    const scale = targets.map((_, at) => 0.5 + 0.1 * at);
    const step = buildBiasStep({
      ...{ student, output: student.model.graph.outputs[0]!.name, loss: "mse", power: 2, scale, features: 0.5 },
      optimizer: { type: "sgd", momentum: 0 },
      shapes: await observeBatchShapes(runner, student.model),
    });
    const random = createRandom(3);
    const channels = targets.map(({ bias }) => bias.values.length);
    const normal = (dims: number[]): HostTensor => ({
      dtype: "float32",
      dims,
      data: Float32Array.from({ length: sizeOf(dims) }, () => random.normal()),
    });
    const feeds: Record<string, HostTensor> = { input: await inputs(6), [step.targets[0]!]: normal([6, 4]) };
    step.targets.slice(1).forEach((name, at) => {
      feeds[name] = normal([6, channels[at]!]);
    });
    const scalar = (value: number): HostTensor => ({ dtype: "float32", dims: [], data: Float32Array.of(value) });
    feeds[SCALARS.rate] = scalar(1);
    feeds[SCALARS.correction] = scalar(1);
    const session = await runner.open(step.model);
    const run = async (shifts: readonly Float32Array[]) => {
      const all = { ...feeds };
      for (const [at, { from }] of step.shifts.entries()) {
        all[from] = { dtype: "float32", dims: [channels[at]!], data: shifts[at]! };
      }
      return session.run(all);
    };
    const zeros = channels.map((count) => new Float32Array(count));
    const results = await run(zeros);
    let [difference, size] = [0, 0];
    for (const [at, { to }] of step.shifts.entries()) {
      for (const channel of [0, channels[at]! - 1]) {
        const losses = await Promise.all(
          [0.02, -0.02].map(async (move) => {
            const shifts = zeros.map((vector) => vector.slice());
            shifts[at]![channel] = move;
            return (await run(shifts))[step.loss]!.data[0] as number;
          }),
        );
        const expected = (losses[0]! - losses[1]!) / 0.04;
        const gradient = -(results[to]!.data[channel] as number);
        difference += (gradient - expected) ** 2;
        size += expected ** 2;
      }
    }
    await session.dispose();
    expect(size).toBeGreaterThan(1e-4);
    expect(Math.sqrt(difference / size)).toBeLessThan(0.03);
  });
});

describe("tuneBiases", () => {
  it("brings back biases that were damaged, the same way for the same seed", async () => {
    const run = async (seed: number) => {
      const pair = await quantized(NETWORKS.residual!(), DATA, {});
      for (const { layer } of pair.plan.parameters) {
        const bias = biasOf(pair.model, layer.node);
        const damaged = bias.integers.map(
          (value, at) => value + (at % 3 === 0 ? Math.round(0.05 / bias.scale[0]!) : 0),
        );
        pair.model.graph.initializers.set(bias.name, Tensor.of("int32", [damaged.length], damaged));
      }
      const options = { ...pair, dataset: DATA, rate: 0.01, epochs: 8, seed };
      const report = await applyTo(tuneBiases, options, context);
      return { report, bytes: serializeModel(pair.model) };
    };
    const [one, same, other] = [await run(1), await run(1), await run(2)];
    expect(one.report).toMatchObject({ kept: true, modified: true, samples: 24, checkSamples: 8, heldOut: true });
    expect(one.report.sqnrDbAfter).toBeGreaterThan(one.report.sqnrDbBefore + 3);
    expect(one.report.epochs.length).toBe(8);
    expect(one.report.epochs[7]!.loss).toBeLessThan(one.report.epochs[0]!.loss);
    expect(one.bytes).toEqual(same.bytes);
    expect(one.bytes).not.toEqual(other.bytes);
  });

  it("keeps what it learned until it was stopped, judged like the whole", async () => {
    const pair = await quantized(NETWORKS.chain!(), DATA, {});
    for (const { layer } of pair.plan.parameters) {
      const bias = biasOf(pair.model, layer.node);
      const damaged = bias.integers.map((value) => value + Math.round(0.05 / bias.scale[0]!));
      pair.model.graph.initializers.set(bias.name, Tensor.of("int32", [damaged.length], damaged));
    }
    const before = serializeModel(pair.model);
    const controller = new AbortController();
    const onProgress = ({ done }: { done: number }) => done === 10 && controller.abort();
    const stopping = { runner, signal: controller.signal, onProgress };
    const options = { ...pair, dataset: DATA, rate: 0.01, epochs: 8 };
    const report = await applyTo(tuneBiases, options, stopping);
    expect(report).toMatchObject({ complete: false, kept: true, modified: true });
    // 24 samples in batches of 8: the tenth step is the first of the fourth epoch.
    expect(report.epochs.length).toBe(4);
    expect(report.reason).toMatch(/; stopped in epoch 4 of 8$/);
    expect(report.sqnrDbAfter).toBeGreaterThan(report.sqnrDbBefore);
    expect(serializeModel(pair.model)).not.toEqual(before);
  });

  it("undoes what made the output worse", async () => {
    const pair = await quantized(NETWORKS.chain!(), DATA, {});
    const before = serializeModel(pair.model);
    const report = await applyTo(tuneBiases, { ...pair, dataset: DATA, rate: 5 }, context);
    expect(report).toMatchObject({ kept: false, modified: false });
    expect(report.reason).toMatch(/^output SQNR .* dB on 8 other samples: not better, undone$/);
    expect(serializeModel(pair.model)).toEqual(before);
    const always = await applyTo(tuneBiases, { ...pair, dataset: DATA, rate: 5, keep: "always" }, context);
    expect(always.modified).toBe(true);
    expect(serializeModel(pair.model)).not.toEqual(before);
  });

  it("compares distributions where asked", async () => {
    const pair = await quantized(NETWORKS.chain!(), DATA, { weightBits: 4 });
    const report = await applyTo(tuneBiases, { ...pair, dataset: DATA, loss: "kl", features: 0, rate: 0.005 }, context);
    expect(report.epochs.at(-1)!.loss).toBeLessThan(report.epochs[0]!.loss);
  });

  it("says what is wrong with its options, and does not begin once it was stopped, leaving the model as it was", async () => {
    const pair = await quantized(NETWORKS.chain!(), DATA, {});
    const before = serializeModel(pair.model);
    const all = { ...pair, dataset: DATA };
    await expect(applyTo(tuneBiases, { ...all, epochs: 0 }, context)).rejects.toMatchObject({
      code: "E2002",
      message: "tuneBiases: epochs 0 is not a whole number (1 or more)",
    });
    await expect(applyTo(tuneBiases, { ...all, loss: "l1" as never }, context)).rejects.toMatchObject({
      code: "E2004",
    });
    await expect(applyTo(tuneBiases, all, {})).rejects.toMatchObject({ code: "E4005" });
    const other = await quantized(NETWORKS.chain!(), subset(DATA, [0, 1]), {});
    await expect(applyTo(tuneBiases, { ...all, plan: other.plan }, context)).rejects.toMatchObject({ code: "E4005" });
    const controller = new AbortController();
    controller.abort();
    const stopping = { runner, signal: controller.signal };
    await expect(applyTo(tuneBiases, all, stopping)).rejects.toMatchObject({ code: "E6005" });
    expect(serializeModel(pair.model)).toEqual(before);
  });
});
