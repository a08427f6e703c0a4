import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isGain, OutputDifference, OutputProbe, outputGain, validateModels } from "../../src/analyze/index.js";
import { outputError } from "../../src/analyze/output-error.js";
import { calibrate } from "../../src/calibrate/index.js";
import type { Dataset, Sample } from "../../src/data/index.js";
import { cloneModel, GraphBuilder, int, type Model } from "../../src/graph/index.js";
import { createRandom } from "../../src/math/index.js";
import { quantizationRequests, quantize } from "../../src/quantize/index.js";
import { prepareModel } from "../../src/steps/index.js";
import { testModel } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";

const context = { runner };
const WIDTH = 6;

/** A random network of some inputs and outputs, all [N, 6] floats; the last output is an ArgMax where `exact` says so. */
function randomNetwork(seed: number, inputs: number, outputs: number, exact: boolean): Model {
  const net = testModel(seed);
  const { builder: b, model } = net;
  const random = createRandom(seed);
  const pick = <T>(list: readonly T[]) => list[Math.floor(random.uniform() * list.length)]!;
  const values = Array.from({ length: inputs }, (_, at) => b.input(`x${at}`, ["N", WIDTH]));
  for (let step = 0; step < 2 * outputs + 2; step++) {
    const kind = pick(["Gemm", "Gemm", "Add", "Relu", "Tanh", "Mul"]);
    if (kind === "Gemm") {
      values.push(b.node("Gemm", [pick(values), net.random([WIDTH, WIDTH], "w", 0.6), net.random([WIDTH], "b", 0.2)]));
    } else if (kind === "Add" || kind === "Mul") values.push(b.node(kind, [pick(values), pick(values)]));
    else values.push(b.node(kind, [pick(values)]));
  }
  // Every input is used, so that every one has to be fed.
  let all = values[0]!;
  for (const value of values.slice(1, inputs)) all = b.node("Add", [all, value]);
  values.push(b.node("Gemm", [all, net.random([WIDTH, WIDTH], "w", 0.6)]));
  for (let at = 0; at < outputs; at++) {
    const value = values[values.length - 1 - at]!;
    if (exact && at === outputs - 1 && at > 0)
      b.output(b.node("ArgMax", [value], { axis: int(1), keepdims: int(0) }), "int64", ["N"]);
    else b.output(b.node("Identity", [value]), "float32", ["N", WIDTH]);
  }
  return model;
}

function samplesFor(seed: number, inputs: number, length: number): Dataset {
  const random = createRandom(seed, 1);
  const samples: Sample[] = Array.from({ length }, () =>
    Object.fromEntries(
      Array.from({ length: inputs }, (_, at) => [
        `x${at}`,
        { dtype: "float32", dims: [1, WIDTH], data: Float32Array.from({ length: WIDTH }, () => random.normal()) },
      ]),
    ),
  );
  return { length, shape: [WIDTH], id: String, fill: () => expect.unreachable(), record: (index) => samples[index]! };
}

/** All outputs of a model for one sample after the other: nothing is shared with what is tested. */
async function outputsOf(model: Model, dataset: Dataset): Promise<Map<string, number[]>> {
  const all = new Map<string, number[]>();
  await runner.using(model, async (session) => {
    for (let at = 0; at < dataset.length; at++) {
      for (const [name, { data }] of Object.entries(await session.run(await dataset.record!(at)))) {
        all.set(name, [...(all.get(name) ?? []), ...Array.from(data as ArrayLike<number | bigint>, Number)]);
      }
    }
  });
  return all;
}

test("networks of n inputs and m outputs: every output's figure is that of an independent computation", async () => {
  const small = fc.integer({ min: 1, max: 3 });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 1e6 }),
      small,
      small,
      fc.boolean(),
      async (seed, inputs, outputs, exact) => {
        const original = randomNetwork(seed, inputs, outputs, exact);
        const dataset = samplesFor(seed, inputs, 9);
        const model = cloneModel(original);
        await prepareModel(model, context);
        const probe = await OutputProbe.of(original, dataset, context);
        const calibration = await calibrate(
          model,
          { requests: quantizationRequests(model) },
          { ...context, data: dataset },
        );
        await quantize({ calibration })(model, context);
        const error = await probe.measure(model, context);
        const report = await validateModels(
          model,
          { baseline: original, latency: false },
          { ...context, data: dataset },
        );
        const [expected, actual] = [await outputsOf(original, dataset), await outputsOf(model, dataset)];
        expect(error.outputs.map(({ name }) => name)).toEqual(original.graph.outputs.map(({ name }) => name));
        for (const measured of [...error.outputs, ...report.outputs]) {
          const y = expected.get(measured.name)!;
          const z = actual.get(measured.name)!;
          if (measured.kind === "exact") {
            expect(measured.agreement).toBeCloseTo(y.filter((value, at) => value === z[at]).length / y.length, 6);
            continue;
          }
          const signal = y.reduce((sum, value) => sum + value * value, 0);
          const noise = y.reduce((sum, value, at) => sum + (value - z[at]!) ** 2, 0);
          const db = 10 * Math.log10(signal / noise);
          // Kernels for one row and for several add in another order.
          if (Number.isFinite(db) && db < 90) expect(Math.abs(measured.sqnrDb - db)).toBeLessThan(0.01);
          else expect(measured.sqnrDb).toBeGreaterThan(80);
        }
      },
    ),
    { numRuns: 12, seed: 20261130 },
  );
});

const difference = (name: string, sqnrDb: number, exact = false) => ({
  ...new OutputDifference([1], exact).summary(),
  name,
  sqnrDb,
  ...(exact && { agreement: sqnrDb }),
});
const errorOf = (...db: number[]) => outputError(db.map((value, at) => difference(`y${at}`, value)));

describe("the rule by which outputs decide", () => {
  test.each([
    ["one output that gains", [20], [21], true],
    ["one output that stays", [20], [20], false],
    ["one loses, the mean gains", [20, 20], [19, 30], false],
    ["one stays, the mean gains", [20, 20], [20, 21], true],
    ["a loss below the noise of the probe", [20, 20], [19.97, 25], true],
    ["both lose", [20, 20], [19, 19], false],
    ["one has no noise at all", [Number.POSITIVE_INFINITY, 20], [Number.POSITIVE_INFINITY, 21], true],
    ["one breaks", [20, 20], [Number.NEGATIVE_INFINITY, 90], false],
  ])("%s", (_, before, after, kept) => {
    expect(isGain(errorOf(...before), errorOf(...after))).toBe(kept);
  });

  test("what a step may cost, or must bring", () => {
    expect(isGain(errorOf(20), errorOf(19.8), 0.5)).toBe(true);
    expect(isGain(errorOf(20), errorOf(19.4), 0.5)).toBe(false);
    expect(isGain(errorOf(20), errorOf(21), -2)).toBe(false);
    expect(isGain(errorOf(20), errorOf(22.5), -2)).toBe(true);
  });

  test("integers decide only where no output is float", () => {
    const mixed = (db: number, share: number) => outputError([difference("y", db), difference("label", share, true)]);
    expect(outputGain(mixed(20, 1), mixed(22, 0.5))).toEqual({ worst: 2, mean: 2 });
    const alone = (share: number) => outputError([difference("label", share, true)]);
    expect(isGain(alone(0.5), alone(0.75))).toBe(true);
  });
});

describe("words fit the output", () => {
  const summary = (dims: readonly number[], y: readonly number[], z: readonly number[]) => {
    const size = dims.reduce((product, dim) => product * dim, 1);
    const own = new OutputDifference(dims);
    for (let at = 0; at < y.length; at += size) own.add(y, z, at, size);
    return own.summary();
  };

  test("a class, a sequence of classes, a mask, a number, none of them", () => {
    expect(summary([3], [0, 1, 2, 2, 1, 0], [0, 1, 3, 0, 1, 0])).toMatchObject({ kind: "class", agreement: 0.5 });
    expect(summary([2, 2], [0, 5, 5, 0], [0, 5, 0, 5])).toMatchObject({ kind: "sequence", agreement: 0.5 });
    expect(summary([2, 2], [0.9, 0.1, 0.8, 0.8], [0.9, 0.1, 0.2, 0.8])).toMatchObject({
      kind: "mask",
      agreement: 2 / 3,
    });
    expect(summary([2, 2], [0.9, 0.1, 0.2, 0.8], [0.6, 0.4, 0.6, 0.4])).toMatchObject({
      kind: "sequence",
      agreement: 0.5,
    });
    expect(summary([1], [1, 2, 3], [2, 4, 6])).toMatchObject({ kind: "number", agreement: null, correlation: 1 });
    expect(summary([2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 5, 6, 7, 8])).toMatchObject({
      kind: "values",
      agreement: null,
    });
  });

  test("masks are no signal; one that is gone is noise without bound", () => {
    expect(summary([3], [1, -1e9, 2], [1.1, -1.01e9, 2]).sqnrDb).toBeCloseTo(10 * Math.log10(5 / 0.01), 6);
    expect(summary([3], [1, -1e9, 2], [1, 0, 2]).sqnrDb).toBe(Number.NEGATIVE_INFINITY);
    expect(summary([2], [Number.NEGATIVE_INFINITY, 2], [Number.NEGATIVE_INFINITY, 2]).sqnrDb).toBe(
      Number.POSITIVE_INFINITY,
    );
    expect(summary([2], [2e9, 1e9], [2e9, 1.1e9]).sqnrDb).toBeCloseTo(10 * Math.log10(5e18 / 1e16), 6);
  });
});

test("a sequence among the outputs is left out", async () => {
  const { model, builder } = GraphBuilder.model("seq", 17);
  const x = builder.input("x0", ["N", WIDTH]);
  builder.output(builder.node("Neg", [x]), "float32", ["N", WIDTH]);
  const parts = builder.node("SplitToSequence", [x], { axis: int(1) });
  model.graph.outputs = [...model.graph.outputs, { name: parts, dtype: undefined, shape: undefined }];
  const probe = await OutputProbe.of(model, samplesFor(1, 1, 3), context);
  expect((await probe.measure(model, context)).outputs.map(({ name }) => name)).toEqual([model.graph.outputs[0]!.name]);
});
