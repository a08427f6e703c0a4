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
  /** Least value at the end of the axis, so that next to nothing does not fill the drawing. */
  readonly reach?: number;
  /** Whether rows are layers that a selection links. Default: true. */
  readonly layers?: boolean;
}

const ROW = 18;
/** Share of a row that its bars fill. */
const FILLED = 0.8;
/** Width of a letter of a label, generously. */
const LETTER = 5.6;

/** Horizontal bars, a row a layer or class: names stay readable at any number. */
export function barsChart({ texts, rows, series, bars, labels, grouped = false, ...parts }: BarsParts): Chart {
  const lines = grouped ? Math.max(1, series.length * 0.7) : 1;
  const fillOf = (bar: Bar) => bar.fill ?? category(series.indexOf(bar.series));
  const places = new Map(rows.map((row, at) => [row, at]));
  const ends = rows.map(() => 0);
  for (const { row, to } of bars) {
    const at = places.get(row)!;
    ends[at] = Math.max(ends[at]!, to);
  }
  const least = bars.reduce((low, { from }) => Math.min(low, from), 0);
  const most = bars.reduce((high, { to }) => Math.max(high, to), parts.reach ?? 0);
  const domain = [least, most > least ? most : least + 1];
  // Rows are places on a linear axis: a band or a facet each would take seconds at a thousand.
  const top = (bar: Bar) => {
    const part = grouped ? series.indexOf(bar.series) / series.length : 0;
    return places.get(bar.row)! + (1 - FILLED) / 2 + FILLED * part;
  };
  const thickness = grouped ? FILLED / Math.max(series.length, 1) : FILLED;
  const shared = { y: (_row: string, at: number) => at + 0.5 };
  const longest = labels.reduce((length, label) => Math.max(length, label.length), 0);
  return defineChart(texts, ({ width }) => {
    const left = Math.min(168, Math.round(width * 0.32));
    const letters = Math.floor((left - 16) / LETTER) - 2;
    return {
      width,
      height: 60 + ROW * lines * Math.max(rows.length, 1),
      marginLeft: left,
      marginRight: Math.min(Math.round(width * 0.34), Math.ceil(longest * LETTER) + 14),
      marginTop: 22,
      marginBottom: 38,
      ...(series.length > 1 && { key: { names: series, shape: "square" as const, left: left - 8 } }),
      x: {
        domain,
        label: parts.xLabel,
        tickFormat: parts.xFormat,
        ticks: Math.max(2, Math.min(5, Math.floor((width - left - 90) / 80))),
        grid: true,
        labelAnchor: "center",
        labelArrow: "none",
        labelOffset: 34,
      },
      y: { domain: [Math.max(rows.length, 1), 0], axis: null },
      marks: [
        Plot.ruleX([0], { stroke: token("muted") }),
        Plot.rect(bars, {
          x1: "from",
          x2: "to",
          y1: top,
          y2: (bar: Bar) => top(bar) + thickness,
          fill: fillOf,
          stroke: (bar: Bar) => (bar.hatched ? token("muted") : fillOf(bar)),
          strokeWidth: 0.5,
          title: (bar: Bar) => `${bar.row}, ${bar.series}: ${parts.xFormat(bar.to - bar.from)}`,
          ...(parts.layers === false ? {} : linked(bars.map(({ row }) => row))),
        }),
        Plot.text(rows, {
          ...shared,
          frameAnchor: "left",
          textAnchor: "end",
          dx: -8,
          text: (row: string) => shortName(row, letters),
          ...(parts.layers === false ? {} : linked(rows)),
        }),
        Plot.text(rows, {
          ...shared,
          x: (_row: string, at: number) => ends[at]!,
          text: (_row: string, at: number) => labels[at]!,
          textAnchor: "start",
          dx: 5,
          fill: token("ink"),
          fontSize: 10,
        }),
      ],
    };
  });
}
