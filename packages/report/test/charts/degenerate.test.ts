import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { treemap } from "../../src/charts/layer-treemap.js";
import {
  CHART_IDS,
  CHARTS,
  type Chart,
  chartRow,
  chartsOf,
  type LayerRow,
  type LayerSqnrRow,
  msbSteps,
  REPORT_SCHEMA,
  type Report,
} from "../../src/index.js";
import { drawn } from "../helpers.js";

/** Whatever a report says, a chart has its texts, a table whose rows fit, and a drawing without a broken number. */
function checkChart(chart: Chart | undefined, widths: readonly number[]): void {
  if (!chart) return;
  for (const text of [chart.title, chart.unit, chart.summary]) {
    expect(text).toMatch(/\S/);
    expect(text, `${chart.id}: ${text}`).not.toMatch(/NaN|undefined|Infinity|null/);
  }
  for (const row of chart.table.rows) expect(row).toHaveLength(chart.table.columns.length);
  for (const width of widths) drawn(chart, width);
}

/** Every chart of a report, in every mode. */
function checkAll(report: Report, widths: readonly number[] = [280, 720]): void {
  const check = (chart: Chart | undefined) => checkChart(chart, widths);
  const { sqnr, msb = [], weights = [] } = report;
  for (const id of CHART_IDS) {
    for (const chart of chartsOf(report, id).slice(0, 3)) check(chart);
    const [layer] = chartRow(id).layers?.(report) ?? [];
    if (layer !== undefined) for (const chart of chartsOf(report, id, layer)) check(chart);
  }
  check(
    CHARTS["training-curve"].draw(
      report.layers.map((_, at) => ({ epoch: at + 1, loss: sqnr!.layers[at]!.local.both })),
    ),
  );
  check(CHARTS["layer-treemap"].draw(report.layers, { of: "before" }));
  const ratios = ({ local: { both: all, weights } }: LayerSqnrRow) => ({
    ...{ firstWeights: weights, firstActivations: all, secondWeights: weights, all },
  });
  const pairs = (sqnr?.layers ?? []).map((row) => ({
    ...{ first: row.layer, second: row.layer },
    ...{ measured: ratios(row), ranges: ratios(row), refined: ratios(row) },
  }));
  check(CHARTS["sqnr-pairs"].draw(pairs));
  for (const mode of ["affine", "power-of-two"] as const) {
    check(CHARTS["msb-heatmap"].draw(msb, { mode, log: true }));
    for (const row of msb.slice(0, 3)) check(CHARTS["msb-channels"].draw(row, { mode }));
  }
  for (const row of msb.slice(0, 3)) expect((msbSteps(row) ?? []).join(" ")).not.toMatch(/NaN|undefined|Infinity/);
  for (const section of weights.slice(0, 3)) {
    check(CHARTS["weight-ranges"].draw(section, { sort: "range", ribbonFrom: 1 }));
  }
  if (sqnr) check(CHARTS["sqnr-prediction"].draw(sqnr, { order: "graph", predicted: "refined" }));
}

const int8 = (scale: number[]) => ({
  scale,
  zeroPoint: [0],
  dtype: "int8",
  bits: 8,
  axis: scale.length > 1 ? 0 : null,
  qmin: -127,
  qmax: 127,
});

/** A report of `layers` layers with `channels` channels whose values all are `value` and whose ratios all are `db`. */
function reportOf(names: readonly string[], channels: number, value: number, db: number): Report {
  const list = Array.from({ length: channels }, () => value);
  const kinds = { weights: db, activations: db, both: db };
  const agreement = { medianErrorDb: Number.NaN, largestErrorDb: db, correlation: Number.NaN, layers: names.length };
  const boxes = { min: list, q1: list, median: list, q3: list, max: list };
  const step = Math.abs(value) / 127 || 1;
  const count = value === 0 ? [] : [channels];
  const sides = { positive: value > 0 ? count : count.map(() => 0), negative: value > 0 ? count.map(() => 0) : count };
  const bits = { first: value === 0 ? 0 : Math.floor(Math.log2(Math.abs(value))), ...sides };
  const losses = { zeros: value === 0 ? channels : 0, total: channels, overflow: 0, underflow: 0 };
  const rows = names.map((layer) => ({ layer, sparsity: value === 0 ? 1 : 0, channels, removed: channels }));
  const measured = (layer: string): LayerSqnrRow => ({
    layer,
    opType: "Conv",
    value: layer,
    weight: { measuredDb: db, uniformDb: db, optimalDb: db },
    activation: null,
    predicted: { ranges: kinds, refined: { ...kinds, activations: null } },
    local: kinds,
    cumulative: null,
    findings: [],
  });
  const answers = (correct: number) => ({
    top1: correct,
    top5: 1,
    bytes: 1,
    latencyMs: null,
    accuracy: {
      top1: correct,
      top1Interval: { low: 0, high: 1 },
      top5: 1,
      perClass: names.map((name, at) => ({ class: at, name, samples: 1, correct, accuracy: correct })),
      confusion: {
        classes: names.length,
        entries: names.map((_, at): [number, number, number] => [at, correct === 1 ? at : 0, 1]),
      },
    },
  });
  return {
    schema: REPORT_SCHEMA,
    tool: { name: "equant", version: "0" },
    model: null,
    recipe: [],
    steps: [],
    findings: [],
    layers: names.map(
      (name): LayerRow => ({
        name,
        opType: "Conv",
        shape: [channels],
        parameters: channels,
        bytesBefore: value === 0 ? 0 : 4 * channels,
        bytesAfter: value === 0 ? 0 : channels,
        bits: 8,
      }),
    ),
    graph: {
      nodes: names.map((name, at) => ({
        name,
        opType: "Conv",
        inputs: at === 0 ? [] : [at - 1],
        parameters: channels,
        shape: null,
      })),
    },
    ranges: names.map((layer) => ({ layer, tensor: layer, kind: "weights", min: value, max: value })),
    msb: names.map((layer) => ({
      layer,
      tensor: layer,
      kind: "weights",
      ...bits,
      ...losses,
      encoding: int8([step]),
      exact: true,
      examples: value === 0 ? [] : [value],
      channels: [{ channel: 0, ...bits, ...losses }],
      channelCount: channels,
    })),
    weights: names.map((layer) => ({
      layer,
      opType: "Conv",
      before: { channels: boxes, encoding: int8(list.map(() => step)) },
      after: { channels: boxes, encoding: null },
    })),
    histograms: names.map((layer) => ({
      layer,
      tensor: layer,
      edges: [value, value],
      counts: [0],
      thresholds: [{ chooser: "minmax", min: value, max: value }],
    })),
    sqnr: {
      samples: 0,
      random: false,
      layers: names.map(measured),
      agreement: {
        ranges: { weights: agreement, activations: agreement },
        refined: { weights: agreement, activations: agreement },
      },
    },
    curves: {
      layers: [...names],
      states: ["before", "after"].map((state) => ({
        state,
        weights: names.map(() => db),
        activations: names.map(() => null),
        weightUniform: names.map(() => db),
        activationUniform: names.map(() => null),
        cumulative: [],
      })),
      optimal: { weights: names.map(() => db), activations: names.map(() => null) },
    },
    equalization: {
      method: "dfq",
      spreads: [],
      pairs: names.slice(0, 1).map((name) => {
        const both = { producer: list, consumer: list };
        return { producer: name, consumer: name, before: both, after: both };
      }),
      undone: [],
    },
    pruning: { original: null, curves: [{ method: "magnitude", points: [] }], layers: rows },
    convergence: { curve: names.map(() => 0), stableAfter: 0 },
    validation: {
      samples: names.length,
      random: false,
      baseline: answers(1),
      candidate: answers(0),
      drop: 1,
      agreement: 0,
      mcNemar: null,
      evenDrop: null,
    },
    sampleErrors: {
      source: "calibration",
      total: names.length,
      rows: names.map((id) => ({ id, sqnrDb: db, label: null, same: true })),
    },
    latency: {
      runtime: "none",
      threads: null,
      rows: names.slice(0, 1).map((name) => ({ name, medianMs: 0, minMs: 0 })),
    },
  } as Report;
}

const LONG = `/${"backbone/stage_4/block_17/".repeat(12)}conv2/Conv`;

describe("charts of degenerate reports", () => {
  const names = (n: number) => Array.from({ length: n }, (_, at) => `layer ${at}`);
  test.each([
    ["one layer with one channel", ["conv"], 1, 0.5, 30],
    ["all zeros, no noise", ["a", "b"], 3, 0, 300],
    ["ratios that are no number", ["a", "b"], 2, -1, Number.NaN],
    ["ratios without bounds", ["a", "b"], 2, 1e-30, Number.NEGATIVE_INFINITY],
    ["very long and strange names", [LONG, "<&\"'>", ""], 4, 1e20, -3],
    ["no layer at all", [], 0, 0, 0],
  ] as const)("%s", (_, layers, channels, value, db) => {
    checkAll(reportOf(layers, channels, value, db));
  });

  test("a thousand layers", { timeout: 60_000 }, () => {
    const { layers, ranges, msb, sqnr, pruning, validation, sampleErrors, ...report } = reportOf(
      names(1000),
      2,
      0.1,
      20,
    );
    for (const chart of [
      CHARTS["layer-sizes"].draw(layers),
      CHARTS["layer-treemap"].draw(layers),
      CHARTS.network.draw({ ...report, layers, sqnr }),
      CHARTS["range-table"].draw(ranges!),
      CHARTS["msb-heatmap"].draw(msb!),
      CHARTS["sqnr-prediction"].draw(sqnr!),
      CHARTS["sqnr-kinds"].draw(sqnr!),
      CHARTS["layer-sparsity"].draw(pruning!),
      CHARTS["class-drop"].draw(validation!),
      CHARTS["sample-errors"].draw(sampleErrors!),
    ]) {
      checkChart(chart, [720]);
      expect(chart!.table.rows.length).toBeGreaterThanOrEqual(1000);
    }
  });

  test("whatever the numbers are", { timeout: 60_000 }, () => {
    const value = fc.oneof(fc.constant(0), fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }));
    const db = fc.oneof(fc.constantFrom(Number.NaN, 300, -300, 0), fc.double({ min: -80, max: 120, noNaN: true }));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 4 }), value, db, (n, channels, x, y) => {
        checkAll(reportOf(names(n), channels, x, y), [360]);
      }),
      { seed: 6, numRuns: 8 },
    );
  });
});

test("tiles fill the drawing, each as large as its share", () => {
  const size = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1_000_000 }));
  fc.assert(
    fc.property(fc.array(size, { maxLength: 40 }), (sizes) => {
      const items = [...sizes].sort((a, b) => b - a).map((size) => ({ layer: {} as LayerRow, size }));
      const tiles = treemap(items, 700, 300);
      const total = sizes.reduce((sum, n) => sum + n, 0);
      expect(tiles).toHaveLength(sizes.filter((n) => n > 0).length);
      let area = 0;
      for (const { x, y, width, height, size } of tiles) {
        expect(width * height).toBeCloseTo((size / total) * 700 * 300, 3);
        expect(x).toBeGreaterThanOrEqual(-1e-6);
        expect(y).toBeGreaterThanOrEqual(-1e-6);
        expect(x + width).toBeLessThanOrEqual(700 + 1e-6);
        expect(y + height).toBeLessThanOrEqual(300 + 1e-6);
        area += width * height;
      }
      if (total > 0) expect(area).toBeCloseTo(700 * 300, 2);
      // None lies on another.
      for (const [at, a] of tiles.entries()) {
        for (const b of tiles.slice(at + 1)) {
          const wide = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
          const high = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
          expect(Math.min(wide, high)).toBeLessThan(1e-6);
        }
      }
    }),
    { seed: 6, numRuns: 60 },
  );
});
