import * as Plot from "@observablehq/plot";
import type { ConvergenceSection, LatencySection, LayerRow } from "../schema.js";
import { barsChart } from "./bars.js";
import { category, token } from "./colours.js";
import { type Chart, defineChart } from "./frame.js";
import { bytes, count, percent, significant, tickBytes } from "./text.js";

/** Bytes that every layer stores before and after. */
export function layerSizes(layers: readonly LayerRow[]): Chart {
  const total = (key: "bytesBefore" | "bytesAfter") => layers.reduce((sum, layer) => sum + layer[key], 0);
  const [before, after] = [total("bytesBefore"), total("bytesAfter")];
  return barsChart({
    texts: {
      id: "layer-sizes",
      title: "Size of parameters by layer",
      unit: "bytes",
      summary: `The parameters of ${count(layers.length, "layer")} shrink from ${bytes(before)} to ${bytes(after)}${before > 0 ? ` (${percent(after / before)})` : ""}.`,
      table: {
        columns: ["layer", "operator", "parameters", "bits", "bytes before", "bytes after"],
        rows: layers.map((layer) => [
          layer.name,
          layer.opType,
          layer.parameters,
          layer.bits,
          layer.bytesBefore,
          layer.bytesAfter,
        ]),
        layerColumn: 0,
      },
    },
    rows: layers.map(({ name }) => name),
    series: ["before", "after"],
    bars: layers.flatMap(({ name, bytesBefore, bytesAfter }) => [
      { row: name, series: "before", from: 0, to: bytesBefore },
      { row: name, series: "after", from: 0, to: bytesAfter },
    ]),
    labels: layers.map(({ bytesBefore, bytesAfter }) => `${bytes(bytesBefore)} → ${bytes(bytesAfter)}`),
    xLabel: "size",
    xFormat: tickBytes,
    grouped: true,
  });
}

/** A candidate of {@link pareto}. */
export interface ParetoPoint {
  readonly name: string;
  readonly bytes: number;
  /** Higher is better, 0–1. */
  readonly metric: number;
  readonly low?: number;
  readonly high?: number;
}

/** Candidates that no other one beats in both size and metric, smallest first. */
export function paretoFront<P extends ParetoPoint>(points: readonly P[]): P[] {
  const sorted = [...points].sort((a, b) => a.bytes - b.bytes || b.metric - a.metric);
  let best = Number.NEGATIVE_INFINITY;
  return sorted.filter(({ metric }) => {
    if (metric <= best) return false;
    best = metric;
    return true;
  });
}

/** Size against a metric: the front as a step line, dominated candidates hollow. */
export function pareto(points: readonly ParetoPoint[], metricName = "accuracy"): Chart {
  const front = paretoFront(points);
  const best = front.at(-1);
  const texts = {
    id: "pareto",
    title: `Size and ${metricName}`,
    unit: `bytes, ${metricName}`,
    summary: best
      ? `${front.length} of ${count(points.length, "candidate")} are on the front, from ${front[0]!.name} (${bytes(front[0]!.bytes)}, ${percent(front[0]!.metric)}) to ${best.name} (${bytes(best.bytes)}, ${percent(best.metric)}).`
      : "There is no candidate.",
    table: {
      columns: ["candidate", "bytes", metricName, "95 % from", "95 % to", "on the front"],
      rows: points.map((point) => [
        point.name,
        point.bytes,
        point.metric,
        point.low ?? null,
        point.high ?? null,
        front.includes(point) ? "yes" : "",
      ]),
    },
  };
  const whiskers = points.filter(({ low, high }) => low !== undefined && high !== undefined);
  return defineChart(texts, ({ width }) => ({
    width,
    height: 280,
    marginLeft: 56,
    marginRight: 90,
    x: { label: "size", tickFormat: tickBytes, nice: true, ticks: 6 },
    y: { label: metricName, tickFormat: (y: number) => percent(y), grid: true, nice: true },
    marks: [
      Plot.lineY(front, { x: "bytes", y: "metric", curve: "step-after", stroke: category(0), strokeWidth: 1.6 }),
      Plot.ruleX(whiskers, { x: "bytes", y1: "low", y2: "high", stroke: token("muted") }),
      Plot.dot(points, {
        x: "bytes",
        y: "metric",
        r: 4.5,
        fill: (point: ParetoPoint) => (front.includes(point) ? category(0) : token("ground")),
        stroke: category(0),
        strokeWidth: 1.5,
        title: ({ name, bytes: size, metric }: ParetoPoint) => `${name}: ${bytes(size)}, ${percent(metric)}`,
      }),
      Plot.text(points, {
        x: "bytes",
        y: "metric",
        text: "name",
        dx: 9,
        textAnchor: "start",
        fill: token("ink"),
        fontSize: 10,
      }),
    ],
  }));
}

/** Share of values whose range no longer grew after n samples: whether more samples would change the result. */
export function rangeConvergence({ curve, stableAfter }: ConvergenceSection): Chart {
  const points = curve.map((share, at) => ({ samples: at + 1, share }));
  const texts = {
    id: "range-convergence",
    title: "Range convergence",
    unit: "share of values whose range has settled",
    summary:
      stableAfter > 0
        ? `No range grew by over 1 % after ${count(stableAfter, "sample")} of ${curve.length}.`
        : `Some ranges still grew by over 1 % at the last of ${count(curve.length, "sample")}.`,
    table: { columns: ["samples", "settled"], rows: points.map(({ samples, share }) => [samples, share]) },
  };
  return defineChart(texts, ({ width }) => ({
    width,
    height: 200,
    marginLeft: 52,
    x: { label: "calibration samples", tickFormat: "d" },
    y: { label: "settled", tickFormat: (y: number) => percent(y), grid: true, domain: [0, 1] },
    marks: [
      Plot.lineY(points, { x: "samples", y: "share", curve: "step-after", stroke: category(0), strokeWidth: 1.7 }),
      stableAfter > 0 ? Plot.ruleX([stableAfter], { stroke: category(1), strokeDasharray: "4,3" }) : null,
    ],
  }));
}

/** Time of one run of each model: never compared across runtimes. */
export function latencyBars({ runtime, threads, rows }: LatencySection): Chart {
  const [first, last] = [rows[0], rows.at(-1)];
  const faster =
    first && last && rows.length > 1
      ? `; ${last.name} takes ${percent(last.medianMs / first.medianMs)} of ${first.name}`
      : "";
  return barsChart({
    texts: {
      id: "latency",
      title: `Median time of one run, ${runtime}${threads === null ? "" : `, ${count(threads, "thread")}`}`,
      unit: "ms at batch 1",
      summary: `${rows.map(({ name, medianMs }) => `${name} ${significant(medianMs)} ms`).join(", ")}${faster}.`,
      table: {
        columns: ["model", "median ms", "fastest ms"],
        rows: rows.map((row) => [row.name, row.medianMs, row.minMs]),
      },
    },
    rows: rows.map(({ name }) => name),
    series: ["median"],
    bars: rows.map(({ name, medianMs }, at) => ({
      row: name,
      series: "median",
      from: 0,
      to: medianMs,
      fill: category(at),
    })),
    labels: rows.map(({ medianMs }) => `${significant(medianMs)} ms`),
    xLabel: "ms",
    xFormat: (value) => significant(value),
    layers: false,
  });
}
