import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  cloneModel,
  compress,
  createRunner,
  DIGIT_SPLIT,
  digitDataset,
  type Encoding,
  exposeValues,
  linearLayers,
  parseModel,
  prune,
} from "@equant/core/lab";
import * as ort from "onnxruntime-node";
import { beforeAll, describe, expect, test } from "vitest";
import { channelBoxes, channelMaxima } from "../src/collect/channel-boxes.js";
import {
  checkReport,
  collectFindings,
  collectReport,
  prunedStructure,
  pruningCurve,
  type Report,
} from "../src/index.js";
import { fixtureReport } from "./fixture.js";

const runner = createRunner(ort as never, { threads: 1 });
const context = { runner };
const bytes = readFileSync(fileURLToPath(new URL("../../cli/assets/digits.onnx", import.meta.url)));
const model = parseModel(bytes);
const dataset = digitDataset({ ...DIGIT_SPLIT.train, count: 12 });

describe("channelBoxes", () => {
  test("has the quartiles of a naive sort, for every weight layout", () => {
    for (const layer of linearLayers(model.graph)) {
      const { min, q1, median, q3, max } = channelBoxes(layer);
      const weights = [...(layer.tensor.array() as Float32Array)];
      const perChannel = weights.length / layer.outChannels;
      for (let channel = 0; channel < layer.outChannels; channel++) {
        const own = (
          layer.outAxis === 0
            ? weights.slice(channel * perChannel, (channel + 1) * perChannel)
            : weights.filter((_, at) => at % layer.outChannels === channel)
        ).sort((a, b) => a - b);
        const at = (p: number) => {
          const x = (own.length - 1) * p;
          const [low, high] = [own[Math.floor(x)]!, own[Math.ceil(x)]!];
          return low + (x - Math.floor(x)) * (high - low);
        };
        const found = [min, q1, median, q3, max].map((list) => list[channel]!);
        [0, 0.25, 0.5, 0.75, 1].forEach((p, i) => {
          expect(Math.abs(found[i]! - at(p))).toBeLessThanOrEqual(5.1e-4 * Math.abs(at(p)));
        });
      }
    }
  });

  test("channel maxima of a layer and of the next one lie on the same channels", () => {
    const [first, second] = linearLayers(model.graph);
    expect(channelMaxima(first!).outputs).toHaveLength(channelMaxima(second!).inputs.length);
    const weights = second!.tensor.array() as Float32Array;
    const naive = new Array(second!.inChannels).fill(0);
    weights.forEach((w, at) => {
      const input = Math.floor(at / second!.kernelArea) % second!.inChannels;
      naive[input] = Math.max(naive[input], Math.abs(w));
    });
    expect([...channelMaxima(second!).inputs]).toEqual(naive);
  });
});

describe("collectReport", () => {
  let report: Report;
  let encodings: ReadonlyMap<string, Encoding>;
  let floatModel = model;
  beforeAll(async () => {
    const recipe = [
      { use: "fold" },
      { use: "equalize", method: "two-step", keep: "always" },
      { use: "quantize" },
    ] as const;
    const result = await compress(cloneModel(model), { steps: recipe }, { ...context, data: dataset });
    encodings = result.plan.activations;
    floatModel = result.floatModel;
    const input = { tool: { name: "equant", version: "0" }, model: null, recipe, result, dataset, samples: 5 };
    report = await collectReport(input, context);
  }, 60_000);

  test("fits its schema, and nothing is lost in JSON", () => {
    expect(checkReport(JSON.parse(JSON.stringify(report)))).toEqual(report);
  });

  test("counts what becomes of activations as a naive pass over the same samples does", async () => {
    const rows = report.msb!.filter(({ kind, tensor }) => kind === "activations" && tensor !== "input");
    expect(rows.length).toBeGreaterThan(4);
    const size = 28 * 28;
    const data = new Float32Array(5 * size);
    // Spread over the dataset, as reports take them.
    for (let i = 0; i < 5; i++) await dataset.fill(Math.floor((i * dataset.length) / 5), data, i * size);
    const values = rows.map(({ tensor }) => tensor);
    const results = await runner.using(exposeValues(floatModel, values), (session) =>
      session.run({ input: { dtype: "float32", dims: [5, 1, 28, 28], data } }),
    );
    for (const row of rows) {
      const floats = results[row.tensor]!.data as Float32Array;
      const encoding = encodings.get(row.tensor)!;
      const scale = encoding.scale[0]!;
      const zero = encoding.zeroPoint[0]!;
      let [overflow, underflow, zeros] = [0, 0, 0];
      for (const x of floats) {
        const scaled = Math.fround(x / scale);
        if (x === 0) zeros++;
        else if (scaled > encoding.qmax - zero + 0.5 || scaled < encoding.qmin - zero - 0.5) overflow++;
        else if (Math.abs(scaled) <= 0.5) underflow++;
      }
      expect({ ...row }).toMatchObject({ total: floats.length, zeros, overflow, underflow, exact: true });
      const counted = [...row.positive, ...row.negative].reduce((sum, n) => sum + n, 0);
      expect(counted + zeros).toBe(floats.length);
    }
  });

  test("tells what equalization did to channels that two layers share", () => {
    const { pairs, method } = report.equalization!;
    expect(method).toBe("two-step");
    const names = new Set(report.layers.map(({ name }) => name));
    for (const { producer, consumer, before, after } of pairs) {
      expect(names.has(producer) && names.has(consumer)).toBe(true);
      expect(before.consumer).toHaveLength(before.producer.length);
      expect(after.producer).toHaveLength(before.producer.length);
    }
    const outputs = (net: typeof model) => channelMaxima(linearLayers(net.graph)[0]!).outputs;
    const [old, now] = [outputs(model), outputs(floatModel)];
    const first = pairs.find(({ producer }) => producer === "conv_1")!;
    first.before.producer.forEach((value, c) => {
      expect(Math.abs(value / old[c]! - 1)).toBeLessThan(1e-3);
      expect(Math.abs(first.after.producer[c]! / now[c]! - 1)).toBeLessThan(1e-3);
    });
    const inputs = channelMaxima(linearLayers(model.graph)[3]!).inputs;
    const last = pairs.find(({ consumer }) => consumer === "fc")!;
    last.before.consumer.forEach((value, c) => {
      const run = inputs.length / 32;
      const largest = inputs.slice(c * run, (c + 1) * run).reduce((a, b) => Math.max(a, b));
      expect(Math.abs(value / largest - 1)).toBeLessThan(1e-3);
    });
    expect(pairs.length).toBeGreaterThan(0);
    expect(report.curves?.states.map(({ state }) => state)).toEqual(["before", "after"]);
  });

  test("lists every layer with its bytes, and the graph in topological order", () => {
    expect(
      report.layers.map(({ name, bits, parameters, bytesBefore }) => [name, bits, bytesBefore - 4 * parameters]),
    ).toEqual(["conv_1", "conv_2", "conv_3", "fc"].map((name) => [name, 8, 0]));
    report.graph!.nodes.forEach(({ inputs }, at) => {
      for (const input of inputs) expect(input).toBeLessThan(at);
    });
    const parameters = report.graph!.nodes.reduce((sum, node) => sum + node.parameters, 0);
    expect(parameters).toBe(report.layers.reduce((sum, layer) => sum + layer.parameters, 0));
  });

  test("shows the iterations of pruning as they were measured", async () => {
    const accuracy = [0.9, 0.5];
    const evaluate = () => accuracy.shift()!;
    const { iterations } = await prune(model, { method: "magnitude", sparsity: 0.5, steps: 2, evaluate }, context);
    const { points } = pruningCurve("magnitude", iterations, 100);
    expect(points.map((point) => point.accuracy)).toEqual([0.9, 0.5]);
    for (const { accuracy, low, high } of points) {
      expect(low!).toBeLessThan(accuracy);
      expect(high!).toBeGreaterThan(accuracy);
    }
    const layers = prunedStructure(iterations.at(-1)!);
    expect(layers.map(({ layer, channels }) => [layer, channels])).toEqual([
      ["conv_1", 8],
      ["conv_2", 16],
      ["conv_3", 32],
      ["fc", 10],
    ]);
  });
});

test("what was measured to help comes before what is only suspected", () => {
  const finding = {
    layer: "b",
    opType: "Conv",
    kind: "dominantWeightChannel",
    channel: 3,
    cause: null,
    localDb: 40,
  } as const;
  const remedy = { remedy: "per-channel", scope: "network", outputDb: 20, gainDb: 12.34 } as const;
  const { sqnr } = fixtureReport();
  sqnr!.layers[0]!.findings.push({ kind: "overflow", text: "activations: 1 % overflow", amount: 0.01 });
  const findings = collectFindings({
    sqnr,
    steps: [{ step: "equalize", kept: false, note: "worse", error: { sqnrDb: 3, agreement: 1 } }],
    random: false,
    advice: {
      schema: "equant.advice/1",
      samples: 8,
      allDb: 7.66,
      findings: [
        { ...finding, text: "channel 3 is 100 times as wide", aloneDb: 8, remedies: [remedy], recommended: remedy },
        { ...finding, layer: "c", text: "rounding", aloneDb: 30, remedies: [], recommended: null },
      ],
    },
  });
  expect(findings.map(({ layer, text }) => [layer, text])).toEqual([
    ["b", "b: channel 3 is 100 times as wide"],
    ["conv1", "conv1: activations: 1 % overflow (local SQNR 29.0 dB)"],
    [null, "Step equalize was not kept."],
  ]);
  expect(findings[0]?.remedy).toBe("one scale a channel (--per-channel): the output gains 12.3 dB, measured");
});
