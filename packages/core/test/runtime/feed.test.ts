import * as ort from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { calibrate } from "../../src/calibrate/index.js";
import { type Dataset, randomDataset } from "../../src/data/index.js";
import { GraphBuilder, type HostTensor, int, ints, type Model, Tensor } from "../../src/graph/index.js";
import { createRandom } from "../../src/math/index.js";
import { createRunner, Feed, forEachBatch } from "../../src/runtime/index.js";

const context = { runner: createRunner(ort as never, { threads: 1 }) };

/** Runs all samples and returns the first output's values, sample after sample. */
async function outputs(model: Model, dataset: Dataset, batchSize = 8): Promise<{ values: number[]; runs: number[] }> {
  const feed = await Feed.of(model, dataset, context);
  const values: number[] = [];
  const runs: number[] = [];
  await context.runner.using(model, (session) =>
    forEachBatch(session, feed, { batchSize }, context, (results, { fed, count }) => {
      const data = results[session.outputNames[0]!]!.data as Float32Array;
      values.push(...Array.from(data, Number).slice(0, (data.length / fed) * count));
      runs.push(fed);
    }),
  );
  return { values, runs };
}

/** Adds 1 to [N, 6], through what `middle` makes of it. */
function network(dims: readonly (number | string)[], middle: (builder: GraphBuilder, input: string) => string): Model {
  const { model, builder } = GraphBuilder.model("net", 17);
  const input = builder.input("x", dims);
  builder.output(builder.node("Add", [middle(builder, input), builder.constant(1)]));
  return model;
}

const DATA = randomDataset([6], 10, 3);

async function expected(dataset: Dataset): Promise<number[]> {
  const values = new Float32Array(60);
  for (let at = 0; at < 10; at++) await dataset.fill(at, values, at * 6);
  return Array.from(values, (value) => Math.fround(value + 1));
}

describe("samples share a run where the network allows it", () => {
  test("an open batch", async () => {
    const { values, runs } = await outputs(
      network(["N", 6], (b, x) => b.node("Identity", [x])),
      DATA,
    );
    expect(runs).toEqual([8, 2]);
    expect(values).toEqual(await expected(DATA));
  });

  test("a Reshape that fixes it inside: one at a time", async () => {
    const model = network(["N", 6], (b, x) => b.node("Reshape", [x, b.constant(Tensor.int64([2], [1, 6]))]));
    const { values, runs } = await outputs(model, DATA);
    expect(runs).toEqual(new Array(10).fill(1));
    expect(values).toEqual(await expected(DATA));
  });

  test("an axis that is time and not the batch: one at a time", async () => {
    const sums = network(["N", 6], (b, x) => b.node("CumSum", [x, b.constant(Tensor.int64([], [0]))]));
    expect((await outputs(sums, DATA)).runs).toEqual(new Array(10).fill(1));
    const turned = network(["N", 6], (b, x) => b.node("Transpose", [x], { perm: ints([1, 0]) }));
    expect((await outputs(turned, DATA)).runs).toEqual(new Array(10).fill(1));
  });

  test("a number of samples that the file fixes", async () => {
    const { values, runs } = await outputs(
      network([4, 6], (b, x) => b.node("Identity", [x])),
      DATA,
    );
    expect(runs).toEqual([4, 4, 4]);
    expect(values).toEqual(await expected(DATA));
  });
});

test("records: several inputs of several types, a constant, samples of different sizes; neighbours of one size share a run", async () => {
  const { model, builder } = GraphBuilder.model("net", 17);
  const tokens = builder.input("tokens", ["N", "S"], "int64");
  const scale = builder.input("scale", [], "float32");
  const table = builder.constant(Tensor.float32([5, 2], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
  builder.output(builder.node("Mul", [builder.node("Gather", [table, tokens]), scale]));
  const lengths = [3, 3, 2, 4, 4, 4];
  const factor: HostTensor = { dtype: "float32", dims: [], data: Float32Array.of(2) };
  const random = createRandom(4);
  const ids = lengths.map((length) => Array.from({ length }, () => Math.floor(random.uniform() * 5)));
  const dataset: Dataset = {
    length: 6,
    shape: [3],
    id: String,
    fill: () => expect.unreachable(),
    record: (index) => ({
      tokens: { dtype: "int64", dims: [1, lengths[index]!], data: BigInt64Array.from(ids[index]!, BigInt) },
      scale: factor,
    }),
  };
  const { values, runs } = await outputs(model, dataset);
  expect(runs).toEqual([2, 1, 3]);
  expect(values).toEqual(ids.flat().flatMap((id) => [4 * id, 4 * id + 2]));
});

test("one array for a network of several inputs is refused, with what to give", async () => {
  const { model, builder } = GraphBuilder.model("two", 17);
  builder.output(builder.node("Add", [builder.input("a", ["N", 6]), builder.input("b", ["N", 6])]));
  await expect(Feed.of(model, DATA, context)).rejects.toMatchObject({
    code: "E5003",
    details: { expected: ["a", "b"] },
  });
});

test("outputs that are sequences are never fetched", async () => {
  const { model, builder } = GraphBuilder.model("seq", 17);
  const x = builder.input("x", ["N", 6]);
  builder.output(builder.node("Neg", [x]));
  const parts = builder.node("SplitToSequence", [x], { axis: int(1) });
  model.graph.outputs = [...model.graph.outputs, { name: parts, dtype: undefined, shape: undefined }];
  expect((await Feed.of(model, DATA, context)).fixed).toBeUndefined();
});

test("statistics of samples of different lengths are those of a naive count; an axis that varies is none of channels", async () => {
  const { model, builder } = GraphBuilder.model("net", 17);
  const x = builder.input("x", [1, "T", 3]);
  const turned = builder.node("Transpose", [builder.node("Neg", [x])], { perm: ints([0, 2, 1]) });
  builder.output(turned);
  const lengths = [2, 5, 3];
  const random = createRandom(6);
  const values = lengths.map((length) => Float32Array.from({ length: 3 * length }, () => random.normal()));
  const dataset: Dataset = {
    length: 3,
    shape: [2, 3],
    id: String,
    fill: () => expect.unreachable(),
    record: (at) => ({ x: { dtype: "float32", dims: [1, lengths[at]!, 3], data: values[at]! } }),
  };
  const request = { moments: false, exactMinimum: true, histogram: false };
  const requests = ["x", turned].map((value) => ({ value, ...request }));
  const calibration = await calibrate(model, { requests }, { ...context, data: dataset });
  const all = values.flatMap((list) => [...list]);
  expect(calibration.get("x")).toMatchObject({ min: Math.min(...all), max: Math.max(...all), count: 30 });
  expect(calibration.get("x").channelStats()!.max).toHaveLength(1);
  const channels = [0, 1, 2].map((channel) => all.filter((_, at) => at % 3 === channel));
  expect(Array.from(calibration.get(turned).channelStats()!.max)).toEqual(
    channels.map((list) => Math.max(...list.map((value) => 0 - value))),
  );
});
