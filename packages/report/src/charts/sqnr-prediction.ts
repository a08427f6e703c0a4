import * as Plot from "@observablehq/plot";
import type { Frozen, LayerSqnrRow, SqnrSection } from "../schema.js";
import { category, token } from "./colours.js";
import { type Chart, defineChart } from "./frame.js";
import { rankTicks } from "./lines.js";
import { linked } from "./marks.js";
import { count, decibels, shortName } from "./text.js";

export interface SqnrPredictionOptions {
  /** `ranges`: eqs. (5) and (6), from scales and powers alone; `refined`: with the actual rounding errors. Default: `'ranges'`. */
  predicted?: "ranges" | "refined";
  /** Order of the layers: highest prediction first, as Fig. 4, or the graph's. Default: `'predicted'`. */
  order?: "predicted" | "graph";
}

type Quantity = "weights" | "activations" | "both";
const QUANTITIES = ["weights", "activations", "both"] as const;
/** A prediction off by more is labelled. */
const FAR_DB = 3;

/** Labels of a panel at most, the largest errors: more lie on each other. */
const LABELS = 4;

interface Point {
  readonly layer: string;
  readonly quantity: Quantity;
  readonly rank: number;
  readonly predicted: number;
  readonly measured: number;
}

/**
 * Signal-to-quantization-noise ratio of every layer with float inputs, predicted (line) and measured (dots), for weights,
 * activations and both (Fig. 4 of Meller et al. 2019). A stem joins the two; one longer than 3 dB is labelled.
 */
export function sqnrPrediction(section: Frozen<SqnrSection>, options: SqnrPredictionOptions = {}): Chart {
  const { predicted = "ranges", order = "predicted" } = options;
  const points = QUANTITIES.flatMap((quantity) => pointsOf(section.layers, quantity, predicted, order));
  const far = points.filter((point) => Math.abs(point.measured - point.predicted) > FAR_DB);
  const off = ({ measured, predicted }: Point) => Math.abs(measured - predicted);
  const labelled = QUANTITIES.flatMap((quantity) =>
    far
      .filter((point) => point.quantity === quantity)
      .sort((a, b) => off(b) - off(a))
      .slice(0, LABELS),
  );
  const layers = points.map(({ layer }) => layer);
  const shared = { x: "rank", fx: "quantity" } as const;
  const texts = {
    id: "sqnr-prediction",
    title: "SQNR by layer, predicted and measured",
    unit: "dB",
    summary: summaryOf(section, predicted),
    table: {
      columns: ["layer", "quantized", "predicted dB", "measured dB", "difference dB"],
      rows: points.map(({ layer, quantity, predicted, measured }) => [
        layer,
        quantity,
        round(predicted),
        round(measured),
        round(measured - predicted),
      ]),
      layerColumn: 0,
    },
  };
  return defineChart(texts, ({ width }) => ({
    width,
    height: 280,
    marginTop: 26,
    marginLeft: 46,
    marginRight: 24,
    fx: { domain: [...QUANTITIES], label: null, padding: 0.06 },
    x: {
      label: `line: predicted · dots: measured · layers ${order === "graph" ? "in graph order" : "by prediction"}`,
      ticks: rankTicks(section.layers.length),
      tickFormat: "d",
    },
    y: { label: "SQNR, dB", grid: true, nice: true },
    marks: [
      Plot.ruleX(points, {
        ...shared,
        y1: "predicted",
        y2: "measured",
        stroke: (p: Point) => (far.includes(p) ? token("cat-1") : token("muted")),
      }),
      Plot.lineY(points, { ...shared, y: "predicted", stroke: category(0), strokeWidth: 1.8 }),
      Plot.dot(points, {
        ...shared,
        y: "measured",
        r: 3,
        fill: token("ground"),
        stroke: category(1),
        strokeWidth: 1.6,
        title: (p: Point) => `${p.layer}\npredicted ${decibels(p.predicted)}, measured ${decibels(p.measured)}`,
        ...linked(layers),
      }),
      Plot.text(labelled, {
        ...shared,
        y: "measured",
        text: (p: Point) => shortName(p.layer, 14),
        dy: -9,
        fill: token("cat-1"),
        fontSize: 9,
      }),
    ],
  }));
}

function pointsOf(
  layers: Frozen<LayerSqnrRow[]>,
  quantity: Quantity,
  source: "ranges" | "refined",
  order: "predicted" | "graph",
): Point[] {
  const known = layers.flatMap(({ layer, predicted, local }) => {
    const [guess, measured] = [predicted[source][quantity], local[quantity]];
    return guess === null || measured === null ? [] : [{ layer, quantity, predicted: guess, measured }];
  });
  if (order === "predicted") known.sort((a, b) => b.predicted - a.predicted);
  return known.map((point, rank) => ({ ...point, rank: rank + 1 }));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function summaryOf({ layers, agreement }: Frozen<SqnrSection>, source: "ranges" | "refined"): string {
  const worst = layers.reduce<Frozen<LayerSqnrRow> | undefined>(
    (a, b) => (a && a.local.both <= b.local.both ? a : b),
    undefined,
  );
  if (!worst) return "No layer was quantized.";
  const { weights, activations } = agreement[source];
  const line = (name: string, { correlation, medianErrorDb }: typeof weights) =>
    `${name} r = ${correlation.toFixed(2)}, median error ${medianErrorDb.toFixed(1)} dB`;
  return (
    `${count(layers.length, "layer")}: the lowest local ratio is ${decibels(worst.local.both)} in ${worst.layer}; ` +
    `predictions of ${line("weights", weights)}, of ${line("activations", activations)}.`
  );
}
