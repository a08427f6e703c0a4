import * as Plot from "@observablehq/plot";
import type { Frozen, LayerSqnrRow, SqnrSection } from "../schema.js";
import { category, token } from "./colours.js";
import { type Chart, defineChart } from "./frame.js";
import { rankDomain, rankTicks } from "./lines.js";
import { linked } from "./marks.js";
import { count, decibels, isNoise, shortName } from "./text.js";

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
/** Labels of a panel at most, the largest errors; each has a line of its own below the strip. */
const LABELS = 4;
const LABEL_LINE = 12;

interface Point {
  readonly layer: string;
  readonly quantity: Quantity;
  readonly rank: number;
  readonly predicted: number;
  readonly measured: number;
  /** Measured − predicted, in dB. */
  readonly residual: number;
}

const isFar = ({ residual }: Point) => Math.abs(residual) > FAR_DB;

/**
 * Signal-to-quantization-noise ratio of every layer with float inputs, predicted (line) and measured (dots), for weights,
 * activations and both (Fig. 4 of Meller et al. 2019). Below it what is between the two, with a band of ±3 dB; the layers
 * furthest outside of it are named.
 */
export function sqnrPrediction(section: Frozen<SqnrSection>, options: SqnrPredictionOptions = {}): Chart {
  const { predicted = "ranges", order = "predicted" } = options;
  const all = QUANTITIES.flatMap((quantity) => pointsOf(section.layers, quantity, predicted, order));
  const points = all.filter((point) => isNoise(point.measured) && isNoise(point.predicted));
  const texts = {
    id: "sqnr-prediction",
    title: "SQNR by layer, predicted and measured",
    unit: "dB",
    summary: summaryOf(section, predicted, points.filter(isFar).length),
    table: {
      columns: ["layer", "quantized", "predicted dB", "measured dB", "difference dB"],
      rows: all.map(({ layer, quantity, predicted, measured, residual }) => [
        layer,
        quantity,
        round(predicted),
        round(measured),
        round(residual),
      ]),
      layerColumn: 0,
    },
  };
  const ticks = { domain: rankDomain(section.layers.length), ticks: rankTicks(section.layers.length) };
  return defineChart(texts, ({ width }) => ({
    width,
    height: 226,
    marginTop: 44,
    marginLeft: 46,
    marginRight: 24,
    marginBottom: 4,
    key: { names: ["predicted", "measured"], shape: ["line", "dot"] },
    fx: { domain: [...QUANTITIES], label: null, axis: "top", padding: 0.06 },
    x: { ...ticks, axis: null },
    y: { label: "SQNR, dB", grid: true, nice: true, ...(points.length === 0 && { domain: [0, 1] }) },
    marks: ratios(points),
    below: strip(points, ticks, order, width),
  }));
}

function ratios(points: readonly Point[]): Plot.Markish[] {
  const shared = { x: "rank", fx: "quantity" } as const;
  return [
    Plot.lineY(points, { ...shared, y: "predicted", stroke: category(0), strokeWidth: 1.8 }),
    Plot.dot(points, {
      ...shared,
      y: "measured",
      r: 3,
      fill: token("ground"),
      stroke: category(1),
      strokeWidth: 1.6,
      title: titleOf,
      ...linked(points.map(({ layer }) => layer)),
    }),
  ];
}

const titleOf = ({ layer, predicted, measured, residual }: Point) =>
  `${layer}\npredicted ${decibels(predicted)}, measured ${decibels(measured)} (${signed(residual)})`;

/** Measured − predicted of every layer, and below it the names of those that are furthest off. */
function strip(
  points: readonly Point[],
  ticks: { domain: [number, number]; ticks: number[] },
  order: "predicted" | "graph",
  width: number,
): Plot.PlotOptions {
  const named = QUANTITIES.flatMap((quantity) =>
    points
      .filter((point) => point.quantity === quantity && isFar(point))
      .sort((a, b) => Math.abs(b.residual) - Math.abs(a.residual))
      .slice(0, LABELS)
      .map((point, line) => ({ ...point, line })),
  );
  const lines = named.reduce((most, { line }) => Math.max(most, line + 1), 0);
  const reach = points.reduce((most, { residual }) => Math.max(most, Math.abs(residual)), FAR_DB + 1);
  const letters = Math.max(8, Math.floor((width / 3 - 40) / 5.4) - 9);
  const shared = { x: "rank", fx: "quantity" } as const;
  return {
    width,
    height: 130 + lines * LABEL_LINE,
    marginTop: 20,
    marginLeft: 46,
    marginRight: 24,
    marginBottom: 40 + lines * LABEL_LINE,
    fx: { domain: [...QUANTITIES], axis: null, padding: 0.06 },
    x: {
      ...ticks,
      tickFormat: "d",
      labelArrow: "none",
      labelOffset: 28,
      label: `layers ${order === "graph" ? "in graph order" : "by prediction"}`,
    },
    y: { label: "measured − predicted, dB", labelArrow: "none", domain: [-reach, reach], ticks: 3, grid: true },
    marks: [
      Plot.rect([...QUANTITIES], {
        fx: (quantity: Quantity) => quantity,
        x1: ticks.domain[0],
        x2: ticks.domain[1],
        y1: -FAR_DB,
        y2: FAR_DB,
        fill: token("seq-0"),
        fillOpacity: 0.55,
      }),
      Plot.ruleY([0], { stroke: token("muted") }),
      Plot.ruleX(points, {
        ...shared,
        y1: 0,
        y2: "residual",
        strokeWidth: 3,
        stroke: (point: Point) => category(isFar(point) ? 1 : 0),
        title: titleOf,
        ...linked(points.map(({ layer }) => layer)),
      }),
      ...Array.from({ length: lines }, (_, line) =>
        Plot.text(
          named.filter((point) => point.line === line),
          {
            fx: "quantity",
            frameAnchor: "bottom-left",
            textAnchor: "start",
            dy: 46 + line * LABEL_LINE,
            text: ({ rank, layer, residual }: Point) => `${rank} ${shortName(layer, letters)} ${signed(residual)}`,
            fill: category(1),
            fontSize: 9,
            ...linked(named.filter((point) => point.line === line).map(({ layer }) => layer)),
          },
        ),
      ),
    ],
  };
}

/** `+3.2 dB`, with a minus sign that is one. */
function signed(db: number): string {
  return `${db < 0 ? "−" : "+"}${Math.abs(db).toFixed(1)} dB`;
}

function pointsOf(
  layers: Frozen<LayerSqnrRow[]>,
  quantity: Quantity,
  source: "ranges" | "refined",
  order: "predicted" | "graph",
): Point[] {
  const known = layers.flatMap(({ layer, predicted, local }) => {
    const [guess, measured] = [predicted[source][quantity], local[quantity]];
    if (guess === null || measured === null || Number.isNaN(guess) || Number.isNaN(measured)) return [];
    return [{ layer, quantity, predicted: guess, measured, residual: measured - guess }];
  });
  if (order === "predicted") known.sort((a, b) => b.predicted - a.predicted);
  return known.map((point, rank) => ({ ...point, rank: rank + 1 }));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function summaryOf({ layers, agreement }: Frozen<SqnrSection>, source: "ranges" | "refined", far: number): string {
  const worst = layers.reduce<Frozen<LayerSqnrRow> | undefined>(
    (a, b) => (a && !(b.local.both < a.local.both) ? a : b),
    undefined,
  );
  if (!worst) return "No layer was quantized.";
  const { weights, activations } = agreement[source];
  const line = (name: string, { correlation, medianErrorDb }: typeof weights) =>
    Number.isFinite(correlation)
      ? `${name} r = ${correlation.toFixed(2)}, median error ${medianErrorDb.toFixed(1)} dB`
      : `${name} cannot be judged`;
  const off = far === 0 ? "" : `; ${count(far, "prediction")} ${far === 1 ? "is" : "are"} off by over ${FAR_DB} dB`;
  return (
    `${count(layers.length, "layer")}: the lowest local ratio is ${decibels(worst.local.both)} in ${worst.layer}; ` +
    `predictions of ${line("weights", weights)}, of ${line("activations", activations)}${off}.`
  );
}
