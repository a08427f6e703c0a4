import { describe, expect, test } from "vitest";
import {
  cloneModel,
  createRandom,
  type Dataset,
  type HostTensor,
  type Model,
  serializeModel,
  Tensor,
  validateModels,
} from "../../src/lab.js";
import { optimizedModel } from "../../src/node.js";
import { convReluConv } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";
import { countingDataset, tableModel, tableRunner } from "./fake-runner.js";
import { QdqBuilder, transB } from "./qdq-models.js";

const CHANNELS = 4;
const CLASSES = 5;

/** Float network [N, 4, 6, 6] → [N, 5] with weights of its own seed. */
function floatModel(seed = 1, batch: string | number = "N"): Model {
  const b = new QdqBuilder(seed);
  const x = b.builder.input("x", [batch, CHANNELS, 6, 6]);
  const hidden = b.node("Relu", [b.conv(x, b.float([8, CHANNELS, 3, 3]))]);
  const pooled = b.node("Flatten", [b.node("GlobalAveragePool", [hidden])]);
  return b.output(b.node("Gemm", [pooled, b.float([CLASSES, 8], 1)], transB));
}

function quantizedModel(): Model {
  const b = new QdqBuilder(9);
  const x = b.input(CHANNELS, 6, 6);
  const hidden = b.node("Relu", [b.conv(b.qdq(x), b.integers([8, CHANNELS, 3, 3]))]);
  const pooled = b.node("Flatten", [b.node("GlobalAveragePool", [b.qdq(hidden, 0.01, "uint8", 0)])]);
  return b.output(b.node("Gemm", [b.qdq(pooled, 0.005, "uint8", 0), b.integers([CLASSES, 8], "int8", 0.02)], transB));
}

function randomImages(length: number, labelled = true): Dataset {
  return {
    length,
    shape: [CHANNELS, 6, 6],
    id: (index) => `image-${index}`,
    fill(index, out, offset) {
      const random = createRandom(77, index);
      for (let i = 0; i < CHANNELS * 36; i++) out[offset + i] = random.normal();
    },
    ...(labelled && { label: (index: number) => index % CLASSES }),
  };
}

async function outputsOf(model: Model, dataset: Dataset, optimization: "all" | "disabled"): Promise<number[][]> {
  return runner.using(
    model,
    async (session) => {
      const rows: number[][] = [];
      for (let i = 0; i < dataset.length; i++) {
        const data = new Float32Array(CHANNELS * 36);
        await dataset.fill(i, data, 0);
        const feed: HostTensor = { dtype: "float32", dims: [1, CHANNELS, 6, 6], data };
        const result = await session.run({ [session.inputNames[0]!]: feed });
        rows.push(Array.from(result[session.outputNames[0]!]!.data as Float32Array));
      }
      return rows;
    },
    { optimization },
  );
}

test("a model against itself: no drop, full agreement, infinite SQNR", async () => {
  const baseline = floatModel();
  const dataset = randomImages(21);
  const report = await validateModels(cloneModel(baseline), { baseline, latency: false }, { runner, data: dataset });
  expect(report).toMatchObject({
    samples: 21,
    drop: 0,
    agreement: 1,
    logitSqnrDb: Number.POSITIVE_INFINITY,
    mse: 0,
    maxDifference: 0,
    mcNemar: { onlyBaseline: 0, onlyCandidate: 0, p: 1 },
    worstClasses: [],
    worstSamples: [],
    kernelAgreement: null,
    latency: null,
  });
  expect(report.candidate).toEqual(report.baseline);
  expect(report.candidate).toMatchObject({ macs: 36 * 8 * CHANNELS * 9 + 8 * CLASSES, int8: null, latencyMs: null });
  expect(report.candidate.bytes).toBe(serializeModel(baseline).length);
  expect(report.candidate.parameterBytes).toBe(4 * (8 * CHANNELS * 9 + 8 * CLASSES));
});

describe("models that insist on a batch size", () => {
  const dataset = randomImages(11);
  const figures = async (batch: string | number, batchSize?: number) => {
    const [baseline, candidate] = [floatModel(1, batch), floatModel(2, batch)];
    const report = await validateModels(
      candidate,
      { baseline, latency: false, ...(batchSize !== undefined && { batchSize }) },
      { runner, data: dataset },
    );
    return { ...report, logitSqnrDb: report.logitSqnrDb!.toFixed(4) };
  };
  test.each([1, 3, 16])("of %i get it, and the figures are those of a free batch", async (batch) => {
    const [free, fixed] = [await figures("N"), await figures(batch)];
    for (const key of ["drop", "agreement", "logitSqnrDb", "mcNemar"] as const) expect(fixed[key]).toEqual(free[key]);
    expect(fixed.candidate.accuracy).toEqual(free.candidate.accuracy);
    expect(fixed.candidate.macs).toBe(free.candidate.macs);
  });
  test("are fed whatever batch was asked for", async () => {
    expect((await figures(4, 3)).baseline!.accuracy).toEqual((await figures("N")).baseline!.accuracy);
  });
});

test("the batch size changes no count, and SQNR by less than rounding", async () => {
  const [baseline, candidate, dataset] = [floatModel(1), quantizedModel(), randomImages(23)];
  const reports = [];
  for (const batchSize of [1, 4, 23]) {
    reports.push(await validateModels(candidate, { baseline, batchSize, latency: false }, { runner, data: dataset }));
  }
  for (const report of reports.slice(1)) {
    expect(report.candidate.accuracy).toEqual(reports[0]!.candidate.accuracy);
    expect(report.agreement).toBe(reports[0]!.agreement);
    expect(report.logitSqnrDb).toBeCloseTo(reports[0]!.logitSqnrDb!, 4);
  }
});

test("a quantized candidate: integer arithmetic is counted in the runtime, kernels are compared with the literal graph", async () => {
  const [baseline, candidate, dataset] = [floatModel(), quantizedModel(), randomImages(12)];
  const report = await validateModels(
    candidate,
    { baseline, latency: false, optimize: (model) => optimizedModel(runner, model) },
    { runner, data: dataset },
  );
  expect(report.candidate.int8).toMatchObject({ source: "runtime", share: 1, floatLayers: [] });
  expect(report.baseline!.int8).toBeNull();
  const [literal, fast] = [await outputsOf(candidate, dataset, "disabled"), await outputsOf(candidate, dataset, "all")];
  const pairs = literal.flatMap((row, i) => row.map((y, j) => [y, fast[i]![j]!] as const));
  const noise = pairs.reduce((sum, [y, z]) => sum + (y - z) ** 2, 0);
  const signal = pairs.reduce((sum, [y]) => sum + y * y, 0);
  expect(report.kernelAgreement!.samples).toBe(12);
  expect(10 ** (-report.kernelAgreement!.sqnrDb / 10)).toBeCloseTo(noise / signal, 9);
  const warned = report.warnings.some(({ code }) => code === "W6001");
  expect(warned).toBe(10 * Math.log10(signal / noise) < 20);
});

test("kernels that compute something else are reported", async () => {
  // The runtime quantizes these float weights by itself (docs/validate.md, «What runs as int8»): tiny ones beside a large one become 0.
  const b = new QdqBuilder(4);
  const weights = Float32Array.from({ length: CLASSES * 16 }, (_, i) => (i === 0 ? 1000 : 0.01 * ((i % 7) - 3)));
  const x = b.builder.input("x", ["N", CHANNELS, 6, 6]);
  const kernel = b.builder.constant(Tensor.float32([CLASSES, CHANNELS, 2, 2], weights));
  const quantized = b.qdq(x, 0.03);
  const conv = b.node("Conv", [quantized, kernel], { strides: { type: "ints", value: [2, 2] } });
  const candidate = b.output(b.node("Flatten", [b.node("GlobalAveragePool", [b.qdq(conv, 0.002)])]));
  const report = await validateModels(candidate, { latency: false }, { runner, data: randomImages(8, false) });
  expect(report.kernelAgreement!.sqnrDb).toBeLessThan(20);
  expect(report.warnings.map(({ code }) => code)).toEqual(["W6001"]);
});

test("an output of the input's shape without labels is a reconstruction: MSE to the input for both models", async () => {
  const dataset: Dataset = {
    ...randomImages(6, false),
    shape: [4, 8, 8],
    fill: (index, out, offset) => {
      const random = createRandom(5, index);
      for (let i = 0; i < 256; i++) out[offset + i] = random.uniform();
    },
  };
  const [baseline, candidate] = [convReluConv({ seed: 1 }), convReluConv({ seed: 2 })];
  const report = await validateModels(candidate, { baseline, latency: false }, { runner, data: dataset });
  expect(report.output).toMatchObject({ kind: "values", dims: [4, 8, 8] });
  for (const [model, measured] of [
    [baseline, report.baseline!],
    [candidate, report.candidate],
  ] as const) {
    const sums = await runner.using(model, async (session) => {
      let sum = 0;
      for (let i = 0; i < 6; i++) {
        const data = new Float32Array(256);
        await dataset.fill(i, data, 0);
        const { [session.outputNames[0]!]: output } = await session.run({
          [session.inputNames[0]!]: { dtype: "float32", dims: [1, 4, 8, 8], data },
        });
        data.forEach((value, j) => {
          sum += ((output!.data as Float32Array)[j]! - value) ** 2;
        });
      }
      return sum;
    });
    expect(measured.reconstructionMse).toBeCloseTo(sums / (6 * 256), 6);
  }
});

describe("latency", () => {
  test("medians, minima and the median of ratios, of interleaved rounds after the warm-up", async () => {
    const [baseline, candidate] = [tableModel(), tableModel()];
    const rows = [[1, 0]];
    const inner = tableRunner(new Map([baseline, candidate].map((model) => [model, { rows }])));
    // Time passes only inside runs: the baseline takes 10, 20, 30 … ms after two warm-up runs, the candidate 4.
    let time = 0;
    const order: string[] = [];
    const timed: typeof inner = {
      ...inner,
      async open(model, options) {
        const session = await inner.open(model, options);
        if (options?.purpose !== "latency") return session;
        expect(options.spinning).toBe(false);
        const [name, cost] = model === baseline ? ["A", (run: number) => 10 * (run - 2)] : ["B", () => 4];
        let runs = 0;
        return {
          ...session,
          run: (feeds, runOptions) => {
            time += cost(++runs);
            order.push(name);
            expect(feeds.x!.dims).toEqual([1, 1]);
            return session.run(feeds, runOptions);
          },
        };
      },
    };
    const latency = { rounds: 7, warmup: 2, budgetMs: 1e9, now: () => time };
    const report = await validateModels(candidate, { baseline, latency }, { runner: timed, data: countingDataset(1) });
    expect(order.join("")).toBe("AB".repeat(9));
    expect(report.latency).toMatchObject({ rounds: 7, threads: null, runtime: "onnxruntime-node unknown" });
    expect(report.baseline).toMatchObject({ latencyMs: 40, latencyMinMs: 10 });
    expect(report.candidate).toMatchObject({ latencyMs: 4, latencyMinMs: 4 });
    expect(report.latency!.ratio).toBeCloseTo(0.1, 12);
  });

  test("the real runtime says its version and threads", async () => {
    const options = { latency: { rounds: 5 } };
    const { latency, candidate } = await validateModels(floatModel(), options, { runner, data: randomImages(1) });
    expect(latency).toMatchObject({ rounds: 5, threads: 2, runtime: expect.stringMatching(/^onnxruntime-node \d/) });
    expect(candidate.latencyMs).toBeGreaterThan(0);
    expect(candidate.latencyMs).toBeGreaterThanOrEqual(candidate.latencyMinMs!);
  });

  test("the budget ends the rounds, not before five", async () => {
    let time = 0;
    const now = () => (time += 1000);
    const run = (budgetMs: number) =>
      validateModels(floatModel(), { latency: { budgetMs, now } }, { runner, data: randomImages(1) });
    const short = await run(1);
    expect(short.latency).toMatchObject({ rounds: 5, ratio: null });
    time = 0;
    const longer = await run(20_000);
    expect(longer.latency!.rounds).toBeGreaterThan(5);
    expect(longer.latency!.rounds).toBeLessThan(12);
  });
});
