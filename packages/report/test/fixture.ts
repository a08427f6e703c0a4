import { fixedPointType } from "@equant/core/lab";
import { type LayerSqnrRow, msbRow, REPORT_SCHEMA, type Report, type WeightState } from "../src/index.js";

const SIZES = [1, 0.3, 0.001, 0.02, 0.6, 0.9];
const INT8 = { scale: [1 / 127], zeroPoint: [0], dtype: "int8", bits: 8, axis: null, qmin: -127, qmax: 127 };

export function weightState(sizes: readonly number[] = SIZES): WeightState {
  const list = (factor: number) => sizes.map((size) => Number((size * factor).toPrecision(4)));
  return {
    channels: { min: list(-1), q1: list(-0.4), median: list(0.1), q3: list(0.5), max: list(0.9) },
    encoding: INT8,
  };
}

function sqnrRow(layer: string, db: number, off: number): LayerSqnrRow {
  const kinds = (shift: number) => ({ weights: db + shift, activations: db + 4 + shift, both: db - 1 + shift });
  return {
    layer,
    opType: "Conv",
    value: `${layer}_out`,
    weight: { measuredDb: db, uniformDb: db, optimalDb: db + 6 },
    activation: { uniformDb: db, optimalDb: db + 3 },
    predicted: { ranges: kinds(off), refined: kinds(off / 2) },
    local: kinds(0),
    cumulative: kinds(-3),
    findings: [],
  };
}

const AGREEMENT = { medianErrorDb: 1.25, largestErrorDb: 4, correlation: 0.97, layers: 3 };
const LAYERS = ["conv1", "block/conv2", "fc"] as const;

function accuracy(entries: [number, number, number][]) {
  const perClass = [0, 1, 2].map((at) => {
    const own = entries.filter(([truth]) => truth === at);
    const samples = own.reduce((sum, [, , n]) => sum + n, 0);
    const correct = own.find(([, answer]) => answer === at)?.[2] ?? 0;
    return { class: at, name: ["cat", "dog", "owl"][at]!, samples, correct, accuracy: correct / samples };
  });
  const correct = perClass.reduce((sum, row) => sum + row.correct, 0);
  return {
    top1: correct / 300,
    top1Interval: { low: correct / 300 - 0.03, high: correct / 300 + 0.03 },
    top5: 1,
    perClass,
    confusion: { classes: 3, entries },
  };
}

/** A small report with every section. */
export function fixtureReport(): Report {
  const row = (layer: string, kind: "weights" | "activations", values: number[]) => ({
    ...msbRow(
      { layer, tensor: `${layer}.${kind}`, kind },
      Float32Array.from(values),
      fixedPointType({ msb: 3, lsb: -3, signed: kind === "weights" }),
      [values.length],
    ),
    channels: [
      {
        channel: 4,
        first: -5,
        positive: [2, 0, 1],
        negative: [0, 1, 0],
        zeros: 1,
        total: 5,
        overflow: 0,
        underflow: 2,
      },
      {
        channel: 0,
        first: -1,
        positive: [1, 0, 3],
        negative: [0, 0, 0],
        zeros: 0,
        total: 4,
        overflow: 0,
        underflow: 0,
      },
    ],
    channelCount: 6,
  });
  const measures = (entries: [number, number, number][], bytes: number) => ({
    top1: accuracy(entries).top1,
    top5: 1,
    accuracy: accuracy(entries),
    bytes,
    latencyMs: 2,
  });
  return {
    schema: REPORT_SCHEMA,
    title: "fixture <&>",
    tool: { name: "equant", version: "0.1.0" },
    model: { sha256: "aa", bytes: 400_000 },
    output: { sha256: "bb", bytes: 102_000 },
    recipe: [{ use: "fold" }, { use: "quantize" }],
    samples: 8,
    random: false,
    steps: [{ step: "quantize", kept: true, note: "3 layers", error: { sqnrDb: 24.5, agreement: 0.97 } }],
    findings: [
      {
        layer: "conv1",
        severity: "warning",
        text: "conv1: 1/6 channels all zero",
        reason: "one scale",
        remedy: "--per-channel",
      },
    ],
    layers: LAYERS.map((name, at) => ({
      name,
      opType: at === 2 ? "Gemm" : "Conv",
      shape: [6, 3, 3, 3],
      parameters: 168,
      bytesBefore: 672 * (at + 1),
      bytesAfter: (at === 2 ? 672 : 186) * (at + 1),
      bits: at === 2 ? 32 : 8,
    })),
    graph: {
      nodes: [
        { name: "conv1", opType: "Conv", inputs: [], parameters: 168, shape: [1, 6, 8, 8] },
        { name: "relu1", opType: "Relu", inputs: [0], parameters: 0, shape: [1, 6, 8, 8] },
        { name: "block/conv2", opType: "Conv", inputs: [1], parameters: 168, shape: [1, 6, 8, 8] },
        { name: "add", opType: "Add", inputs: [1, 2], parameters: 0, shape: [1, 6, 8, 8] },
        { name: "fc", opType: "Gemm", inputs: [3], parameters: 168, shape: [1, 10] },
      ],
    },
    ranges: [
      { layer: "conv1", tensor: "w", kind: "weights", min: -1, max: 0.9 },
      { layer: "conv1", tensor: "b", kind: "bias", min: -0.01, max: 0.02 },
      { layer: "fc", tensor: "y", kind: "activations", min: 0, max: 110 },
    ],
    msb: LAYERS.flatMap((layer) => [
      row(layer, "weights", [0.03125, 2.1, 16.25, 0.5, -0.75, 1.5, -3.2, 7.9, 0]),
      row(layer, "activations", [0, 0, 0.25, 1, 3]),
    ]),
    weights: LAYERS.map((layer) => ({
      layer,
      opType: "Conv",
      before: weightState(),
      after: weightState([1, 0.9, 0.8, 0.95, 1, 0.9]),
    })),
    histograms: [
      {
        layer: "conv1",
        tensor: "relu1",
        edges: [0, 1, 2, 3, 4],
        counts: [900, 80, 19, 1],
        thresholds: [
          { chooser: "minmax", min: 0, max: 4 },
          { chooser: "mse", min: 0, max: 2.6 },
        ],
        used: "minmax",
      },
    ],
    sqnr: {
      samples: 8,
      random: false,
      layers: [sqnrRow("conv1", 30, 1), sqnrRow("block/conv2", 18, -5), sqnrRow("fc", 42, 0)],
      agreement: {
        ranges: { weights: AGREEMENT, activations: AGREEMENT },
        refined: { weights: AGREEMENT, activations: AGREEMENT },
      },
    },
    curves: {
      layers: [...LAYERS],
      states: [
        {
          state: "before",
          weights: [20, 30, 25],
          activations: [30, 32, null],
          weightUniform: [20.5, 30, 25],
          activationUniform: [30, 31, null],
          cumulative: [],
        },
        {
          state: "two-step",
          weights: [25, 31, 28],
          activations: [33, 33, null],
          weightUniform: [25, 31, 28],
          activationUniform: [33, 33, null],
          cumulative: [],
        },
      ],
      optimal: { weights: [30, 33, 31], activations: [35, 36, null] },
    },
    equalization: {
      method: "two-step",
      spreads: [{ layer: "conv1", before: 1000, after: 1.25 }],
      pairs: [
        {
          producer: "conv1",
          consumer: "block/conv2",
          before: { producer: [1, 0.1, 0.4, 0.03], consumer: [0.1, 0.2, 0.9, 0.3], activations: [6, 0.5, 2, 0.2] },
          after: { producer: [1, 0.8, 0.9, 0.7], consumer: [0.1, 0.6, 0.4, 0.9], activations: [6, 4, 4.5, 4.7] },
        },
      ],
      undone: [],
    },
    pruning: {
      original: 0.98,
      curves: [
        {
          method: "magnitude",
          points: [
            { sparsity: 0, accuracy: 0.98, low: 0.97, high: 0.99 },
            { sparsity: 0.5, accuracy: 0.95, low: 0.93, high: 0.96 },
            { sparsity: 0.9, accuracy: 0.6, low: 0.57, high: 0.63 },
          ],
        },
        {
          method: "synflow",
          points: [
            { sparsity: 0.5, accuracy: 0.96 },
            { sparsity: 0.9, accuracy: 0.8 },
          ],
        },
      ],
      layers: LAYERS.map((layer, at) => ({ layer, sparsity: 0.3 * (at + 1), channels: 8, removed: at })),
    },
    convergence: { curve: [0.5, 0.75, 1, 1], stableAfter: 3 },
    validation: {
      samples: 300,
      random: false,
      baseline: measures(
        [
          [0, 0, 97],
          [0, 1, 3],
          [1, 1, 100],
          [2, 2, 98],
          [2, 0, 2],
        ],
        400_000,
      ),
      candidate: measures(
        [
          [0, 0, 80],
          [0, 1, 20],
          [1, 1, 100],
          [2, 2, 98],
          [2, 1, 2],
        ],
        102_000,
      ),
      drop: 17 / 300,
      agreement: 0.94,
      mcNemar: { onlyBaseline: 17, onlyCandidate: 0, p: 1.5e-5 },
      evenDrop: { statistic: 30, degreesOfFreedom: 2, p: 1e-6 },
    },
    sampleErrors: {
      source: "validation",
      total: 300,
      rows: [
        { id: "cat/1.jpg", sqnrDb: 31.5, label: 0, same: true },
        { id: "cat/2.jpg", sqnrDb: 8.25, label: 0, same: false },
        { id: "owl/1.jpg", sqnrDb: 300, label: 2, same: true },
        { id: "owl/2.jpg", sqnrDb: 27, label: 2, same: true },
      ],
    },
    latency: {
      runtime: "onnxruntime-node 1.30.0",
      threads: 2,
      rows: [
        { name: "before", medianMs: 3.2, minMs: 3 },
        { name: "after", medianMs: 1.6, minMs: 1.5 },
      ],
    },
  };
}
