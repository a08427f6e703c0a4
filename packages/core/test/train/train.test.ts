import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  answeredBy,
  batches,
  type EpochRow,
  GraphBuilder,
  measureTop1,
  type Optimizer,
  type Parameter,
  parseCheckpoint,
  RunError,
  serializeCheckpoint,
  serializeModel,
  sortNodes,
  Tensor,
  type TrainOptions,
  train,
} from "../../src/lab.js";
import { numberAt, runner } from "../gradient/case.js";
import { bands, linearNetwork, rows, smallNetwork, weightsOf } from "./small.js";

const FAST = { epochs: 4, batchSize: 16, rate: 0.05 } as const satisfies TrainOptions;

describe("optimizers equal PyTorch's", () => {
  interface Figures {
    readonly steps: number;
    readonly final: Record<string, { weight: number[]; bias: number[]; loss: number }>;
  }
  const figures = JSON.parse(readFileSync(new URL("./fixtures/optimizers.json", import.meta.url), "utf8")) as Figures;
  const numbers = (dims: readonly number[], seed: number) =>
    Tensor.float32(
      dims,
      Array.from({ length: dims.reduce((a, b) => a * b) }, (_, i) => 2 * numberAt(i, seed) - 1),
    );
  const OPTIMIZERS: Record<string, [Optimizer, number]> = {
    "sgd plain": [{ type: "sgd", momentum: 0 }, 0.1],
    "sgd momentum": [{ type: "sgd" }, 0.1],
    "sgd nesterov": [{ type: "sgd", momentum: 0.8, nesterov: true }, 0.05],
    "sgd decay": [{ type: "sgd", weightDecay: 0.02 }, 0.1],
    adam: [{ type: "adam" }, 0.02],
    "adam decay": [{ type: "adam", beta1: 0.8, beta2: 0.95, epsilon: 1e-6, weightDecay: 0.05 }, 0.02],
    adamw: [{ type: "adam", weightDecay: 0.1, decoupled: true }, 0.02],
  };

  it.each(Object.keys(figures.final))("%s", async (name) => {
    const [optimizer, rate] = OPTIMIZERS[name]!;
    const teacher = linearNetwork(numbers([2, 3], 2), numbers([2], 3));
    const student = linearNetwork(numbers([2, 3], 4), numbers([2], 5));
    const options = {
      optimizer,
      rate,
      epochs: figures.steps,
      batchSize: 5,
      loss: { type: "mean-square" },
      teacher,
    } as const;
    const { model, epochs } = await train(student, options, { runner, data: rows(numbers([5, 3], 1)) });
    const expected = figures.final[name]!;
    expected.weight.forEach((value, i) => {
      expect(Math.abs(weightsOf(model, "weight")[i]! - value)).toBeLessThan(2e-6);
    });
    expected.bias.forEach((value, i) => {
      expect(Math.abs(weightsOf(model, "bias")[i]! - value)).toBeLessThan(2e-6);
    });
    expect(epochs.at(-1)!.loss).toBeCloseTo(expected.loss, 5);
  });
});

describe("train", () => {
  it("validates between steps, which changes nothing that is learned", async () => {
    const data = bands(100);
    const validation = bands(60, 2);
    const options = { ...FAST, epochs: 2, validation } as const;
    const seen: number[] = [];
    const often = await train(
      smallNetwork(),
      { ...options, validationFrequency: 3, onValidation: ({ step }) => seen.push(step) },
      { runner, data },
    );
    // 100 samples by 16 are 7 steps an epoch; the ends of epochs are no validation of their own.
    expect(seen).toEqual([3, 6, 9, 12]);
    expect(often.epochs.map(({ validations }) => validations!.map(({ epoch }) => epoch))).toEqual([
      [3 / 7, 6 / 7],
      [9 / 7, 12 / 7],
    ]);
    const plain = await train(smallNetwork(), options, { runner, data });
    expect(serializeModel(often.model)).toEqual(serializeModel(plain.model));
    expect(plain.epochs.every(({ validations }) => validations === undefined)).toBe(true);
    expect(new Set(often.epochs.flatMap((row) => row.validations!.map(({ top1 }) => top1))).size).toBeGreaterThan(1);
  });

  it("refuses a frequency without data to validate on", async () => {
    const options = { ...FAST, validationFrequency: 3 };
    await expect(train(smallNetwork(), options, { runner, data: bands(20) })).rejects.toThrow(/validationFrequency/);
  });

  it("learns, and reports loss and accuracy as they were", async () => {
    const validation = bands(60, 2);
    const before = smallNetwork();
    const bytes = serializeModel(before);
    const { model, epochs } = await train(before, { ...FAST, epochs: 8, validation }, { runner, data: bands(100) });
    expect(epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(epochs.at(-1)!.loss).toBeLessThan(0.25 * epochs[0]!.loss);
    expect(epochs.at(-1)!.top1).toBeGreaterThan(0.95);
    expect(epochs.at(-1)!.validationTop1).toBe(await measureTop1(model, {}, { runner, data: validation }));
    expect(epochs.at(-1)!.validationTop1).toBeGreaterThan(0.9);
    expect(serializeModel(before)).toEqual(bytes);
  });

  it("averages the first epoch's loss over samples, the last, partial batch by its size", async () => {
    // With a rate next to nothing, the weights do not move: the loss is that of the given model.
    const data = bands(21);
    const { epochs, model } = await train(smallNetwork(), { ...FAST, epochs: 1, rate: 1e-30 }, { runner, data });
    let total = 0;
    await runner.using(model, async (session) => {
      for await (const batch of batches(data, { batchSize: 21 })) {
        const results = await session.run({ input: { dtype: "float32", dims: batch.dims, data: batch.data } });
        const scores = results.fc_output!.data as Float32Array;
        for (let n = 0; n < 21; n++) {
          const row = Array.from(scores.subarray(3 * n, 3 * n + 3));
          total += Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0)) - row[batch.labels![n]!]!;
        }
      }
    });
    expect(epochs[0]!.loss).toBeCloseTo(total / 21, 5);
  });

  it("gives the same bits again, and others with another seed", async () => {
    const run = (seed: number) => train(smallNetwork(), { ...FAST, seed }, { runner, data: bands(50) });
    const [first, second, other] = [await run(3), await run(3), await run(4)];
    expect(serializeModel(second.model)).toEqual(serializeModel(first.model));
    expect(second.epochs).toEqual(first.epochs);
    expect(serializeModel(other.model)).not.toEqual(serializeModel(first.model));
  });

  it.each([
    ["sgd", { type: "sgd", weightDecay: 0.001 }],
    ["adam", { type: "adam" }],
  ] as const)("goes on from a checkpoint with the same bits: %s", async (_name, optimizer) => {
    const options = { ...FAST, optimizer, rate: 0.02, seed: 7, warmupSteps: 10, validation: bands(30, 9) };
    const whole = await train(smallNetwork(), options, { runner, data: bands(50) });
    const half = await train(smallNetwork(), { ...options, epochs: 2 }, { runner, data: bands(50) });
    const resume = parseCheckpoint(serializeCheckpoint(half.checkpoint));
    expect(resume.epoch).toBe(2);
    const rest = await train(smallNetwork(), { ...options, resume }, { runner, data: bands(50) });
    expect(serializeModel(rest.model)).toEqual(serializeModel(whole.model));
    expect(rest.epochs).toEqual(whole.epochs);
    expect(serializeCheckpoint(rest.checkpoint)).toEqual(serializeCheckpoint(whole.checkpoint));
  });

  it("hands out a checkpoint after every epoch, good to resume after a cancellation", async () => {
    const rowsSeen: EpochRow[] = [];
    const controller = new AbortController();
    let kept: Parameters<NonNullable<TrainOptions["onEpoch"]>>[1] | undefined;
    const options: TrainOptions = {
      ...FAST,
      onEpoch(row, checkpoint) {
        rowsSeen.push(row);
        kept = checkpoint;
        if (row.epoch === 3) controller.abort();
      },
    };
    const act = train(smallNetwork(), options, { runner, signal: controller.signal, data: bands(50) });
    await expect(act).rejects.toMatchObject({ code: "E6005" });
    expect(rowsSeen.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    const rest = await train(smallNetwork(), { ...FAST, resume: kept! }, { runner, data: bands(50) });
    const whole = await train(smallNetwork(), FAST, { runner, data: bands(50) });
    expect(serializeModel(rest.model)).toEqual(serializeModel(whole.model));
  });

  it("refuses a checkpoint of another training, and bytes that are none", async () => {
    const { checkpoint } = await train(smallNetwork(), { ...FAST, epochs: 1 }, { runner, data: bands(20) });
    const act = train(smallNetwork(), { ...FAST, seed: 1, resume: checkpoint }, { runner, data: bands(20) });
    await expect(act).rejects.toMatchObject({ code: "E4005" });
    expect(() => parseCheckpoint(new Uint8Array([1, 2, 3]))).toThrow("not a checkpoint");
    expect(() => parseCheckpoint(serializeModel(smallNetwork()))).toThrow("no header");
  });

  it("refuses a model that fixes the number of samples a run", async () => {
    const model = smallNetwork();
    model.graph.inputs = model.graph.inputs.map((info) => ({ ...info, shape: [4, ...info.shape!.slice(1)] }));
    await expect(train(model, FAST, { runner, data: bands(20) })).rejects.toMatchObject({
      code: "E4005",
      details: { actual: 4 },
    });
  });

  it("keeps masked weights exactly zero and moves the others", async () => {
    const mask = Tensor.float32(
      [3, 36],
      Array.from({ length: 108 }, (_, i) => (i % 4 === 0 ? 1 : 0)),
    );
    const masks = new Map([["fc.weight", mask]]);
    for (const optimizer of [{ type: "sgd", weightDecay: 0.01 }, { type: "adam" }] as const) {
      const { model, epochs, checkpoint } = await train(
        smallNetwork(),
        { ...FAST, masks, optimizer },
        { runner, data: bands(60) },
      );
      weightsOf(model, "fc.weight").forEach((value, i) => {
        if (i % 4 === 0) expect(value).not.toBe(weightsOf(smallNetwork(), "fc.weight")[i]);
        else expect(value).toBe(0);
      });
      for (const [name, state] of checkpoint.states) {
        if (!name.endsWith("/fc.weight")) continue;
        (state.array() as Float32Array).forEach((value, i) => {
          if (i % 4 !== 0) expect(value).toBe(0);
        });
      }
      expect(epochs.at(-1)!.loss).toBeLessThan(epochs[0]!.loss);
    }
  });

  it("trains biases only, towards a teacher", async () => {
    const teacher = smallNetwork();
    const student = smallNetwork();
    const bias = weightsOf(teacher, "conv.bias").map((value, i) => value + (i % 2 === 0 ? 0.4 : -0.3));
    student.graph.initializers.set("conv.bias", Tensor.float32([4], bias));
    const options: TrainOptions = {
      ...{ ...FAST, epochs: 12, rate: 0.3, optimizer: { type: "sgd", momentum: 0.5 } },
      ...{ loss: { type: "distillation", temperature: 2 }, teacher, select: ({ kind }: Parameter) => kind === "bias" },
    };
    const { model, epochs } = await train(student, options, { runner, data: bands(64, 1, false) });
    for (const name of ["conv.weight", "fc.weight"]) expect(weightsOf(model, name)).toEqual(weightsOf(teacher, name));
    expect(epochs[0]!.top1).toBeUndefined();
    expect(epochs.at(-1)!.loss).toBeLessThan(0.3 * epochs[0]!.loss);
  });

  it("mixes a teacher's outputs with labels by share: losses and steps are the weighted sums", async () => {
    const [teacher, student] = [smallNetwork({ seed: 5 }), smallNetwork()];
    const step = async (options: Partial<TrainOptions>) => {
      const all: TrainOptions = {
        epochs: 1,
        batchSize: 32,
        rate: 1,
        optimizer: { type: "sgd", momentum: 0 },
        ...options,
      };
      const { model, epochs } = await train(student, all, { runner, data: bands(32) });
      const [before, after] = [weightsOf(student, "fc.weight"), weightsOf(model, "fc.weight")];
      return { loss: epochs[0]!.loss, moved: after.map((value, at) => value - before[at]!), top1: epochs[0]!.top1 };
    };
    const distilled = (labels?: number) =>
      step({ teacher, loss: { type: "distillation", temperature: 2, ...(labels !== undefined && { labels }) } });
    const [soft, hard, mixed, whole] = [await distilled(), await step({}), await distilled(0.25), await distilled(1)];
    expect(mixed.loss).toBeCloseTo(0.75 * soft.loss + 0.25 * hard.loss, 5);
    mixed.moved.forEach((value, at) => {
      expect(value).toBeCloseTo(0.75 * soft.moved[at]! + 0.25 * hard.moved[at]!, 5);
    });
    expect(whole.loss).toBeCloseTo(hard.loss, 6);
    expect([soft.top1, mixed.top1]).toEqual([undefined, hard.top1]);
    expect(Math.abs(soft.loss - hard.loss)).toBeGreaterThan(0.01);
  });

  it("refuses a teacher of other classes, and a share of labels without labels or outside 0-1", async () => {
    const teacher = linearNetwork(Tensor.float32([2, 3], new Float32Array(6)), Tensor.float32([2], [0, 0]));
    const loss = { type: "distillation" } as const;
    const student = smallNetwork();
    await expect(train(student, { ...FAST, loss, teacher }, { runner, data: bands(8) })).rejects.toMatchObject({
      code: "E4005",
      message: expect.stringContaining("the teacher's output is [N, 2], the student's [N, 3]"),
    });
    const labels = { ...FAST, teacher: smallNetwork(), loss: { ...loss, labels: 0.5 } };
    await expect(train(student, labels, { runner, data: bands(8, 1, false) })).rejects.toMatchObject({ code: "E5004" });
    const beyond = { ...labels, loss: { ...loss, labels: 1.5 } };
    await expect(train(student, beyond, { runner, data: bands(8) })).rejects.toMatchObject({ code: "E2002" });
  });

  it("answeredBy labels data with a network's own answers", async () => {
    const network = smallNetwork();
    const answered = await answeredBy(network, bands(20, 3, false), { runner });
    expect(await measureTop1(network, { batchSize: 7 }, { runner, data: answered })).toBe(1);
    expect(await measureTop1(smallNetwork({ seed: 9 }), {}, { runner, data: answered })).toBeLessThan(1);
  });

  it("tunes the biases of an emulated quantized network towards its float teacher", async () => {
    const teacher = smallNetwork();
    const student = smallNetwork();
    const step = 0.4;
    const coarse = weightsOf(teacher, "conv.weight").map((w) => step * Math.round(w / step));
    student.graph.initializers.set("conv.weight", Tensor.float32([4, 1, 3, 3], coarse));
    const builder = new GraphBuilder(student.graph);
    const pool = student.graph.nodes.find(({ name }) => name === "pool")!;
    const rounded = builder.node("Round", [builder.node("Div", [pool.outputs[0]!, builder.constant(step)])]);
    const emulated = builder.node("Mul", [rounded, builder.constant(step)]);
    student.graph.nodes.find(({ name }) => name === "flatten")!.inputs[0] = emulated;
    sortNodes(student.graph);
    const options: TrainOptions = {
      ...{ ...FAST, epochs: 10, rate: 0.1, loss: { type: "distillation" }, teacher },
      select: ({ kind }: Parameter) => kind === "bias",
    };
    const { model, epochs } = await train(student, options, { runner, data: bands(64, 1, false) });
    expect(weightsOf(model, "conv.bias")).not.toEqual(weightsOf(student, "conv.bias"));
    expect(epochs.at(-1)!.loss).toBeLessThan(0.7 * epochs[0]!.loss);
  });

  it("uses batch statistics where asked, and moves the running ones", async () => {
    const running = await train(smallNetwork({ batchNorm: true }), FAST, { runner, data: bands(50) });
    const before = smallNetwork({ batchNorm: true });
    expect(weightsOf(running.model, "bn.mean")).toEqual(weightsOf(before, "bn.mean"));
    expect(weightsOf(running.model, "bn.scale")).not.toEqual(weightsOf(before, "bn.scale"));
    const data = bands(50);
    const batch = await train(before, { ...FAST, epochs: 10, batchNorm: "batch", validation: data }, { runner, data });
    expect(weightsOf(batch.model, "bn.mean")).not.toEqual(weightsOf(before, "bn.mean"));
    expect(batch.epochs.at(-1)!.validationTop1).toBeGreaterThan(0.9);
    expect(batch.model.graph.nodes.map(({ attributes }) => attributes.has("training_mode"))).not.toContain(true);
  });

  it("reports progress step by step", async () => {
    const events: [number, number][] = [];
    const onProgress = ({ done, total }: { done: number; total: number }) => events.push([done, total]);
    await train(smallNetwork(), { ...FAST, epochs: 2 }, { runner, onProgress, data: bands(40) });
    expect(events).toEqual([1, 2, 3, 4, 5, 6].map((done) => [done, 6]));
  });

  it("stops at NaN and names the step and the place", async () => {
    const act = () => train(smallNetwork(), { ...FAST, rate: 1e30 }, { runner, data: bands(40) });
    await expect(act()).rejects.toBeInstanceOf(RunError);
    await expect(act()).rejects.toMatchObject({ code: "E7003", details: { step: expect.any(Number) } });
    await expect(act()).rejects.toThrow(/train: diverged at step [23], (first in node|"[a-z.]+" is no longer finite)/);
  });

  it("names the first layer whose output is not finite", async () => {
    const model = smallNetwork();
    model.graph.initializers.set("conv.bias", Tensor.float32([4], [0, 0, 3e38, 0]));
    model.graph.initializers.set("fc.weight", Tensor.float32([3, 36], new Float32Array(108).fill(2)));
    const act = train(model, { ...FAST, select: ({ name }) => name === "fc.bias" }, { runner, data: bands(20) });
    await expect(act).rejects.toMatchObject({ code: "E7003", details: { step: 1, node: "fc", opType: "Gemm" } });
  });

  it.each([
    [{ epochs: 0 }, "E2002"],
    [{ batchSize: 1.5 }, "E2002"],
    [{ rate: 0 }, "E2002"],
    [{ seed: -1 }, "E2002"],
    [{ warmupSteps: -1 }, "E2002"],
    [{ rates: 1 }, "E2001"],
    [{ optimizer: { type: "lbfgs" } }, "E2004"],
    [{ optimizer: { type: "sgd", momentum: -1 } }, "E2002"],
    [{ schedule: { type: "step", epochs: 0, factor: 0.1 } }, "E2002"],
    [{ schedule: { type: "cosine", floor: 2 } }, "E2002"],
    [{ schedule: { type: "poly" } }, "E2004"],
    [{ loss: { type: "hinge" } }, "E2004"],
    [{ loss: { type: "distillation", temperature: 0 } }, "E2002"],
    [{ loss: { type: "distillation" } }, "E4005"],
    [{ batchNorm: "moving" }, "E2004"],
    [{ output: "nothing" }, "E2103"],
    [{ masks: new Map([["nothing", Tensor.scalar(1)]]) }, "E2103"],
    [{ masks: new Map([["conv.bias", Tensor.scalar(1)]]) }, "E2002"],
    [{ select: () => false }, "E4005"],
  ])("rejects %j", async (options, code) => {
    await expect(train(smallNetwork(), options as never, { runner, data: bands(20) })).rejects.toMatchObject({ code });
  });

  it("wants data, labels and a runner", async () => {
    await expect(train(smallNetwork(), {}, { runner, data: bands(0) })).rejects.toMatchObject({ code: "E5001" });
    await expect(train(smallNetwork(), {}, { runner, data: bands(5, 1, false) })).rejects.toMatchObject({
      code: "E5004",
    });
    await expect(train(smallNetwork(), {}, { data: bands(5) })).rejects.toMatchObject({ code: "E4005" });
  });
});
