import * as Plot from "@observablehq/plot";
import { category, token } from "./colours.js";
import { type Chart, defineChart } from "./frame.js";
import { linked } from "./marks.js";
import { shortName } from "./text.js";

/** One bar of a row; bars of a row follow each other. */
export interface Bar {
  readonly row: string;
  readonly series: string;
  readonly from: number;
  readonly to: number;
  /** Colour. Default: the category of the series. */
  readonly fill?: string;
  readonly hatched?: boolean;
}

export interface BarsParts {
  readonly texts: Omit<Chart, "draw">;
  readonly rows: readonly string[];
  readonly series: readonly string[];
  readonly bars: readonly Bar[];
  /** Words at the end of a row. */
  readonly labels: readonly string[];
  readonly xLabel: string;
  readonly xFormat: (value: number) => string;
  /** Series beside each other instead of stacked. */
  readonly grouped?: boolean;
  /** Whether rows are layers that a selection links. Default: true. */
  readonly layers?: boolean;
}

const ROW = 18;

/** Horizontal bars, a row a layer or class: names stay readable at any number. */
export function barsChart({ texts, rows, series, bars, labels, grouped = false, ...parts }: BarsParts): Chart {
  const height = 56 + Math.max(rows.length, 1) * (grouped ? ROW * Math.max(1, series.length * 0.7) : ROW);
  const fillOf = (bar: Bar) => bar.fill ?? category(series.indexOf(bar.series));
  const ends = rows.map((row) => bars.reduce((end, bar) => (bar.row === row ? Math.max(end, bar.to) : end), 0));
  const domain = [Math.min(0, ...bars.map(({ from }) => from)), Math.max(0, ...bars.map(({ to }) => to)) || 1];
  const shared = {
    x1: "from",
    x2: "to",
    fill: fillOf,
    stroke: (bar: Bar) => (bar.hatched ? token("muted") : fillOf(bar)),
    strokeWidth: 0.5,
    title: (bar: Bar) => `${bar.row}, ${bar.series}: ${parts.xFormat(bar.to - bar.from)}`,
    ...(parts.layers === false ? {} : linked(bars.map(({ row }) => row))),
  };
  return defineChart(texts, ({ width }) => ({
    width,
    height,
    marginLeft: 168,
    marginRight: 92,
    marginTop: 22,
    marginBottom: 34,
    ...(series.length > 1 && { key: { names: series, shape: "square" as const, left: 160 } }),
    x: {
      domain,
      label: parts.xLabel,
      tickFormat: parts.xFormat,
      ticks: 5,
      grid: true,
      labelAnchor: "left",
      labelOffset: 30,
    },
    ...(grouped
      ? {
          fy: { domain: [...rows], label: null, tickFormat: (row: string) => shortName(row, 24), padding: 0.2 },
          y: { domain: [...series], axis: null, padding: 0.05 },
        }
      : { y: { domain: [...rows], label: null, tickFormat: (row: string) => shortName(row, 24), padding: 0.18 } }),
    marks: [
      Plot.ruleX([0], { stroke: token("muted") }),
      grouped ? Plot.barX(bars, { ...shared, fy: "row", y: "series" }) : Plot.barX(bars, { ...shared, y: "row" }),
      Plot.text(rows, {
        ...(grouped ? { fy: (row: string) => row } : { y: (row: string) => row }),
        x: (_row: string, at: number) => ends[at]!,
        text: (_row: string, at: number) => labels[at]!,
        textAnchor: "start",
        dx: 5,
        fill: token("ink"),
        fontSize: 10,
      }),
    ],
  }));
}
