import * as Plot from "@observablehq/plot";
import type { HistogramRow, RangeRow } from "../schema.js";
import { category, DASHES, token } from "./colours.js";
import { type Chart, defineChart } from "./frame.js";
import { linked } from "./marks.js";
import { count, shortName, significant } from "./text.js";

const SHORT = { weights: "W", bias: "b", activations: "A" } as const;

/** Range of every tensor (the table of MathWorks' equalization page), on an axis that is linear near zero and logarithmic far from it. */
export function rangeTable(rows: readonly RangeRow[]): Chart {
  const widest = rows.reduce<RangeRow | undefined>((a, b) => (a && a.max - a.min >= b.max - b.min ? a : b), undefined);
  const keys = rows.map(({ layer, kind }, at) => `${at} ${shortName(layer, 20)} ${SHORT[kind]}`);
  const least = rows.reduce((low, { min, max }) => Math.min(low, Math.max(-min, max) || low), 1);
  const colours = { weights: 0, bias: 2, activations: 1 } as const;
  const texts = {
    id: "range-table",
    title: "Ranges of weights, biases and activations",
    unit: "real units",
    summary: widest
      ? `${count(rows.length, "tensor")}; the widest range is ${significant(widest.min)} to ${significant(widest.max)}, the ${widest.kind} of ${widest.layer}.`
      : "No range is known.",
    table: {
      columns: ["layer", "tensor", "kind", "min", "max"],
      rows: rows.map(({ layer, tensor, kind, min, max }) => [layer, tensor, kind, min, max]),
      layerColumn: 0,
    },
  };
  return defineChart(texts, ({ width }) => ({
    width,
    height: 50 + 13 * Math.max(rows.length, 1),
    marginLeft: 168,
    marginTop: 24,
    x: {
      type: "symlog",
      constant: Math.max(least, 1e-3),
      grid: true,
      label: "value",
      ticks: decades(rows, Math.max(least, 1e-3)),
      tickFormat: (x: number) => significant(x),
    },
    y: { domain: keys, label: null, tickFormat: (key: string) => key.slice(key.indexOf(" ") + 1), tickSize: 0 },
    marks: [
      Plot.ruleX([0], { stroke: token("muted") }),
      Plot.ruleY(rows, {
        y: (_row: RangeRow, at: number) => keys[at]!,
        x1: "min",
        x2: "max",
        strokeWidth: 5,
        stroke: ({ kind }: RangeRow) => category(colours[kind]),
        title: ({ layer, kind, min, max }: RangeRow) => `${layer}, ${kind}: ${significant(min)} … ${significant(max)}`,
        ...linked(rows.map(({ layer }) => layer)),
      }),
      Plot.text(["weights W · bias b · activations A"], { frameAnchor: "top-left", dy: -16, fill: token("muted") }),
    ],
  }));
}

/** Ticks of an axis that is linear up to `constant`: 0 and some powers of ten on either side, within the ranges. */
function decades(rows: readonly RangeRow[], constant: number): number[] {
  const [low, high] = [
    rows.reduce((a, { min }) => Math.min(a, min), 0),
    rows.reduce((a, { max }) => Math.max(a, max), 0),
  ];
  const top = Math.floor(Math.log10(Math.max(high, -low, constant)));
  const step = Math.max(1, Math.ceil((top - Math.ceil(Math.log10(constant)) + 1) / 3));
  const sizes = [0, 1, 2].map((k) => 10 ** (top - k * step)).filter((size) => size >= constant);
  return [0, ...sizes.filter((size) => size <= high), ...sizes.filter((size) => -size >= low).map((size) => -size)];
}

/** Histogram of one value with the range that every chooser picks; heights by their square root, so that tails are seen. */
export function valueHistogram({ layer, tensor, edges, counts, thresholds, used }: HistogramRow): Chart {
  const total = counts.reduce((sum, n) => sum + n, 0) || 1;
  const bars = counts.map((n, at) => ({ from: edges[at]!, to: edges[at + 1]!, share: n / total }));
  const names = thresholds.map(({ chooser }) => (chooser === used ? `${chooser} (used)` : chooser));
  const lines = thresholds.flatMap(({ min, max }, at) => [min, max].map((x) => ({ x, at })));
  const [low, high] = [edges[0] ?? 0, edges.at(-1) ?? 1];
  const narrowest = thresholds.reduce<(typeof thresholds)[number] | undefined>(
    (a, b) => (a && a.max - a.min <= b.max - b.min ? a : b),
    undefined,
  );
  const texts = {
    id: "histogram",
    title: `Values of ${layer}`,
    unit: "share of values, real units",
    summary: narrowest
      ? `Values lie between ${significant(low)} and ${significant(high)}; the narrowest range, ${significant(narrowest.min)} to ${significant(narrowest.max)}, is chosen by ${narrowest.chooser}.`
      : `Values lie between ${significant(low)} and ${significant(high)}.`,
    table: {
      columns: ["chooser or bar", "from", "to", "values"],
      rows: [
        ...thresholds.map(({ chooser, min, max }) => [chooser, min, max, null]),
        ...counts.map((n, at) => [`bar ${at + 1}`, edges[at]!, edges[at + 1]!, n]),
      ],
    },
    layer,
  };
  return defineChart(
    { ...texts, title: layer === tensor ? texts.title : `${texts.title} (${shortName(tensor, 40)})` },
    ({ width }) => ({
      width,
      height: 200,
      marginTop: 30,
      marginLeft: 52,
      marginRight: 16,
      key: { names: ["", ...names], shape: "line" },
      x: { label: "value", tickFormat: (x: number) => significant(x), ticks: 7 },
      y: { type: "sqrt", label: "share of values", tickFormat: (y: number) => significant(y), ticks: 4, grid: true },
      marks: [
        Plot.rectY(bars, { x1: "from", x2: "to", y: "share", fill: token("seq-3"), insetLeft: 0.5 }),
        ...thresholds.map((_, at) =>
          Plot.ruleX(
            lines.filter((line) => line.at === at),
            {
              x: "x",
              stroke: category(at + 1),
              strokeWidth: 1.6,
              ...(DASHES[(at + 1) % DASHES.length] !== undefined && {
                strokeDasharray: DASHES[(at + 1) % DASHES.length]!,
              }),
            },
          ),
        ),
        Plot.ruleY([0], { stroke: token("muted") }),
      ],
    }),
  );
}
