import { describe, expect, test } from "vitest";
import { Calibration, calibrate, type StatisticsRequest, statisticsTable } from "../../src/calibrate/index.js";
import { randomDataset } from "../../src/data/index.js";
import { float, GraphBuilder, int, ints, type Model, Tensor } from "../../src/graph/index.js";
import { planQuantization, quantizationRequests } from "../../src/quantize/index.js";
import { Feed, observeShapes, zeroFeeds } from "../../src/runtime/index.js";
import { convReluConv, testModel } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";
import { allValues, changed, randomNetwork } from "./networks.js";

const context = { runner };
const images = (count: number) => randomDataset([3, 48, 48], count, 3, { min: -1, max: 1 });
const requestAll = (model: Model, what: Partial<StatisticsRequest> = {}): StatisticsRequest[] =>
  allValues(model.graph).map((value) => ({ value, moments: false, exactMinimum: true, histogram: false, ...what }));

describe("NaN and Inf", () => {
  const MODES: Record<string, Partial<StatisticsRequest>> = {
    "min-max": {},
    histograms: { histogram: true },
    moments: { moments: true },
  };

  /** input → Log → Relu → MaxPool: NaN appears behind the logarithm, and a maximum may pass over it again. */
  function logarithm(): Model {
    const { model, builder } = GraphBuilder.model("log", 17);
    const input = builder.input("input", ["N", 3, 48, 48]);
    const log = builder.node("Log", [input], {}, { name: "log" });
    const pool = builder.node("MaxPool", [builder.node("Relu", [log])], {
      kernel_shape: ints([2, 2]),
      strides: ints([2, 2]),
    });
    builder.output(builder.node("ReduceMax", [pool], { axes: ints([1, 2, 3]), keepdims: int(0) }));
    return model;
  }

  test.each(Object.keys(MODES).flatMap((mode) => [0, 1, 1000, 2303, 5000, 6911].map((at) => [mode, at] as const)))(
    "%s: NaN at element %i of one sample is found, and said where it came from",
    async (mode, at) => {
      const model = logarithm();
      const positive = randomDataset([3, 48, 48], 7, 1, { min: 0.5, max: 2 });
      const dataset = changed(positive, (index, sample) => {
        if (index === 4) sample[at] = -1;
      });
      const options = { requests: requestAll(model, MODES[mode]!), batchSize: 3 };
      await expect(calibrate(model, options, { ...context, data: dataset })).rejects.toMatchObject({
        code: "E7001",
        message: 'calibrate: NaN in value "log_output" at sample sample 4',
        details: { tensor: "log_output", sample: "sample 4" },
      });
    },
  );

  test.each(Object.keys(MODES))("%s: infinity of either sign", async (mode) => {
    for (const [zero, sign] of [
      [0, 1],
      [0, -1],
    ] as const) {
      const { model, builder } = GraphBuilder.model("inverse", 17);
      const inverse = builder.node(
        "Div",
        [builder.constant(sign), builder.input("input", ["N", 3, 48, 48])],
        {},
        { name: "inverse" },
      );
      builder.output(builder.node("Clip", [inverse, builder.constant(-1), builder.constant(1)]));
      const dataset = changed(randomDataset([3, 48, 48], 5, 1, { min: 1, max: 2 }), (index, sample) => {
        if (index >= 2) sample[77] = zero;
      });
      const options = { requests: requestAll(model, MODES[mode]!), batchSize: 4 };
      await expect(calibrate(model, options, { ...context, data: dataset })).rejects.toMatchObject({
        code: "E7001",
        message: 'calibrate: Inf in value "inverse_output" at sample sample 2',
      });
    }
  });

  test("in a small value and in the input itself", async () => {
    const { model, builder } = GraphBuilder.model("vector", 17);
    builder.output(builder.node("Sqrt", [builder.input("input", ["N", 4])], {}, { name: "root" }));
    const positive = randomDataset([4], 3, 1, { min: 1, max: 2 });
    const at = (value: number) =>
      changed(positive, (index, sample) => {
        if (index === 1) sample[2] = value;
      });
    const options = { requests: requestAll(model) };
    await expect(calibrate(model, options, { ...context, data: at(-1) })).rejects.toMatchObject({
      details: { tensor: "root_output" },
    });
    await expect(calibrate(model, options, { ...context, data: at(Number.NaN) })).rejects.toMatchObject({
      details: { tensor: "input" },
    });
  });
});

describe("cancelling", () => {
  const model = randomNetwork(2);
  const requests = requestAll(model, { histogram: true });

  test("keeps what was seen, marked as incomplete", async () => {
    const stop = new AbortController();
    const seen: number[] = [];
    const partial = await calibrate(
      model,
      { requests, batchSize: 3 },
      {
        runner,
        signal: stop.signal,
        onProgress: ({ done, total, phase }) => {
          seen.push(done);
          expect({ total, phase }).toEqual({ total: 20, phase: "calibrate" });
          if (done === 6) stop.abort();
        },
        data: images(20),
      },
    );
    expect(seen).toEqual([3, 6]);
    expect(partial).toMatchObject({ samples: 6, complete: false });
    const six = await calibrate(model, { requests, batchSize: 3 }, { ...context, data: images(6) });
    expect(six.complete).toBe(true);
    expect(partial.serialize()).toBe(six.serialize().replace('"complete":true', '"complete":false'));
    expect(partial.merge(six).complete).toBe(false);
  });

  test("before the first batch there is nothing to keep", async () => {
    const signal = AbortSignal.abort();
    await expect(calibrate(model, { requests }, { runner, signal, data: images(4) })).rejects.toMatchObject({
      code: "E6005",
    });
  });

  test("an error of the data is no cancelling", async () => {
    const broken = {
      ...images(8),
      fill: (index: number) => {
        if (index === 5) throw new Error("unreadable");
      },
    };
    await expect(calibrate(model, { requests, batchSize: 2 }, { ...context, data: broken })).rejects.toThrow(
      "unreadable",
    );
  });
});

describe("range convergence", () => {
  test("tells after how many samples the last range settled", async () => {
    const { model, builder } = GraphBuilder.model("two", 17);
    const input = builder.input("input", ["N", 2]);
    builder.output(builder.node("Relu", [input], {}, { name: "relu" }));
    const rows = [
      [1, -1],
      [1.005, -1],
      [1, -3],
      [2, 0],
      [0, 0],
      [2.01, -3],
      [0, 0],
      [0, 0],
    ];
    const dataset = changed(randomDataset([2], 8, 1), (index, sample) => sample.set(rows[index]!));
    const calibration = await calibrate(
      model,
      { requests: requestAll(model), batchSize: 3 },
      { ...context, data: dataset },
    );
    // input: widths 2, 2.005, 4.005, 5 at samples 1, 3, 4 (0.25 % and 0.2 % do not count); relu: 1, then 2 at sample 4.
    expect(calibration.fields.lastWidening).toEqual([4, 4]);
    expect(calibration.rangeConvergence()).toEqual({ curve: [0, 0, 0, 1, 1, 1, 1, 1], stableAfter: 4 });
  });
});

describe("models and data that do not fit", () => {
  const model = convReluConv({ channels: 3, seed: 2 });
  const dataset = randomDataset([3, 8, 8], 6, 1);
  const requests = requestAll(model);

  test("several inputs", async () => {
    const { model: two, builder } = GraphBuilder.model("two", 17);
    builder.output(builder.node("Add", [builder.input("a", ["N", 2]), builder.input("b", ["N", 2])]));
    await expect(
      calibrate(two, { requests: [] }, { ...context, data: randomDataset([2], 2, 1) }),
    ).rejects.toMatchObject({
      code: "E5003",
      message: "data: one array a sample, the model takes 2 inputs (a, b)",
    });
  });

  test("samples of another shape", async () => {
    await expect(
      calibrate(model, { requests }, { ...context, data: randomDataset([3, 9, 8], 2, 1) }),
    ).rejects.toMatchObject({
      code: "E5003",
      message: "data: samples of shape [3, 9, 8], the model takes [3, 8, 8]",
    });
  });

  test.each([
    [{ batchSize: 0 }, "E2002"],
    [{ batchSize: 1.5 }, "E2002"],
    [{ batch: 3 }, "E2001"],
  ])("%o: %s", async (wrong, code) => {
    await expect(calibrate(model, { requests, ...wrong }, { ...context, data: dataset })).rejects.toMatchObject({
      code,
    });
  });

  test("no runner", async () => {
    await expect(calibrate(model, { requests }, { data: dataset })).rejects.toMatchObject({ code: "E4005" });
  });

  test.each([1, 4])("a model whose input fixes %i samples a run", async (fixed) => {
    const expected = await calibrate(model, { requests }, { ...context, data: dataset });
    const exported = convReluConv({ channels: 3, seed: 2 });
    exported.graph.inputs = [{ ...exported.graph.inputs[0]!, shape: [fixed, 3, 8, 8] }];
    exported.graph.outputs = [{ ...exported.graph.outputs[0]!, shape: undefined }];
    const calibration = await calibrate(exported, { requests, batchSize: 3 }, { ...context, data: dataset });
    expect(calibration.serialize()).toBe(expected.serialize());
  });

  test("a value whose size depends on the data", async () => {
    const { model: sparse, builder } = GraphBuilder.model("sparse", 17);
    const input = builder.input("input", ["N", 40]);
    const positive = builder.node("Greater", [input, builder.constant(0)]);
    const kept = builder.node("Compress", [
      input,
      builder.node("Reshape", [positive, builder.constant(Tensor.int64([1], [-1]))]),
    ]);
    builder.output(builder.node("Relu", [kept]));
    const data = randomDataset([40], 9, 4, { min: -1, max: 1 });
    const asked = requestAll(sparse).filter(({ value }) => value === kept);
    const calibration = await calibrate(sparse, { requests: asked, batchSize: 2 }, { ...context, data });
    let count = 0;
    for (let i = 0; i < 9; i++) {
      const sample = new Float32Array(40);
      await data.fill(i, sample, 0);
      count += sample.filter((x) => x > 0).length;
    }
    expect(calibration.get(kept).count).toBe(count);
  });

  test("values that are no float32 are left out, and nothing to collect is no error", async () => {
    const { model: shapes, builder } = GraphBuilder.model("shapes", 17);
    const shape = builder.node("Shape", [builder.input("input", ["N", 3])]);
    builder.output(shape, "int64");
    const request = { value: shape, moments: false, exactMinimum: false, histogram: false };
    const calibration = await calibrate(
      shapes,
      { requests: [request] },
      { ...context, data: randomDataset([3], 2, 1) },
    );
    expect(calibration).toMatchObject({ samples: 0, complete: true });
    expect(calibration.values.size).toBe(0);
  });

  test("statistics of another model", async () => {
    const other = await calibrate(model, { requests: requests.slice(0, 1) }, { ...context, data: dataset });
    expect(() => other.get("relu_output")).toThrow(expect.objectContaining({ code: "E5003" }));
    expect(() => planQuantization(model, other)).toThrow(expect.objectContaining({ code: "E5003" }));
    expect(() => other.forModel("aa").merge(other.forModel("bb"))).toThrow(expect.objectContaining({ code: "E3003" }));
    expect(other.forModel("aa").merge(other).fields.model).toBe("aa");
  });
});

describe("calibration.json", () => {
  test.each([
    ["cut off", '{"schema":"equant.calibration/1","sam', "not JSON, or cut off"],
    ["another format", '{"schema":"x"}', "schema"],
    ["a list", "[]", "expected object"],
    [
      "an unknown key",
      '{"schema":"equant.calibration/1","samples":1,"complete":true,"random":false,"lastWidening":[],"values":{},"more":1}',
      "more",
    ],
    [
      "a range that is none",
      '{"schema":"equant.calibration/1","samples":1,"complete":true,"random":false,"lastWidening":[],"values":{"x":{"min":2,"max":1,"count":3}}}',
      "x",
    ],
    [
      "a histogram that is none",
      '{"schema":"equant.calibration/1","samples":1,"complete":true,"random":false,"lastWidening":[],"values":{"x":{"min":0,"max":1,"count":3,"histogram":{}}}}',
      "histogram",
    ],
    [
      "channels of unlike length",
      '{"schema":"equant.calibration/1","samples":1,"complete":true,"random":false,"lastWidening":[],"values":{"x":{"min":0,"max":1,"count":3,"channels":{"count":3,"min":[0],"max":[1,1]}}}}',
      "channels",
    ],
  ])("%s is refused with E5002", (_, text, part) => {
    expect(() => Calibration.parse(text, "c.json")).toThrow(
      expect.objectContaining({ code: "E5002", message: expect.stringContaining(part) }),
    );
  });

  test("values of one side only are dropped by a merge; marks add up", async () => {
    const model = convReluConv({ channels: 2, seed: 3 });
    const dataset = randomDataset([2, 8, 8], 3, 1);
    const real = changed(dataset, () => {});
    const all = await calibrate(model, { requests: requestAll(model) }, { ...context, data: real });
    const one = await calibrate(model, { requests: requestAll(model).slice(1, 2) }, { ...context, data: dataset });
    expect(all.random).toBe(false);
    const merged = all.merge(one);
    expect([...merged.values.keys()]).toEqual([...one.values.keys()]);
    expect(merged).toMatchObject({ random: true, samples: 6 });
  });
});

test("statistics table: weights, biases and activations of every layer, as in MathWorks' equalization page", async () => {
  const model = convReluConv({ channels: 2, seed: 3 });
  const dataset = randomDataset([2, 8, 8], 3, 1, { min: -1, max: 1 });
  const calibration = await calibrate(model, { requests: requestAll(model) }, { ...context, data: dataset });
  const rows = statisticsTable(model, calibration);
  expect(rows.map(({ optimizedLayerName, kind }) => `${optimizedLayerName} ${kind}`)).toEqual([
    "input_Activations Activations",
    "conv1_Weights Weights",
    "conv1_Bias Bias",
    "conv1_Activations Activations",
    "relu_Activations Activations",
    "conv2_Weights Weights",
    "conv2_Bias Bias",
    "conv2_Activations Activations",
  ]);
  const weights = model.graph.initializers.get("conv1.weight")!.numbers();
  expect(rows[1]).toMatchObject({ networkLayerName: "conv1", min: Math.min(...weights), max: Math.max(...weights) });
  expect(rows[4]!.min).toBe(0);
  const { min, max } = calibration.get("input");
  expect(rows[0]).toMatchObject({ min, max, networkLayerName: "input" });
});

test("what a mover makes is not asked for: its range follows from its input", () => {
  const test = testModel(1);
  const { builder } = test;
  const conv = (data: string, from: number, name: string) =>
    builder.node("Conv", [data, test.random([4, from, 1, 1])], { kernel_shape: ints([1, 1]) }, { name });
  const leaky = builder.node(
    "LeakyRelu",
    [conv(builder.input("input", ["N", 3, 8, 8]), 3, "a")],
    { alpha: float(0.1) },
    { name: "leaky" },
  );
  const pool = builder.node("MaxPool", [leaky], { kernel_shape: ints([2, 2]) }, { name: "pool" });
  builder.output(conv(pool, 4, "b"));
  expect(quantizationRequests(test.model).map(({ value }) => value)).toEqual([
    "input",
    "a_output",
    "leaky_output",
    "b_output",
  ]);
});

test("types that are known are not looked for: one session, the same statistics", async () => {
  const model = randomNetwork(3);
  const requests = requestAll(model, { histogram: true });
  const dataset = images(6);
  // How the samples are fed is found out once for a dataset.
  await Feed.of(model, dataset, context);
  let opened = 0;
  const using: typeof runner.using = (...args) => {
    opened++;
    return runner.using(...args);
  };
  const counting = { runner: { ...runner, using } };
  const shapes = await observeShapes(model, zeroFeeds(model), { runner });
  const given = await calibrate(model, { requests, shapes }, { ...counting, data: dataset });
  expect(opened).toBe(1);
  expect(given.serialize()).toBe((await calibrate(model, { requests }, { ...context, data: dataset })).serialize());
});
