import * as Plot from "@observablehq/plot";
import { category, token } from "./colours.js";
import { type Chart, defineChart } from "./frame.js";
import { rankDomain, rankTicks } from "./lines.js";
import { count, decibels, isNoise, middle } from "./text.js";

/** Ratios in dB at the output of the second of two layers, by what is quantized; as core's `PairDb`. */
export interface PairRatios {
  readonly firstWeights: number;
  readonly firstActivations: number;
  readonly secondWeights: number;
  readonly all: number;
}

/** Two layers of which the second reads the first; as core's `PairSqnr`. */
export interface PairRow {
  readonly first: string;
  readonly second: string;
  readonly measured: PairRatios;
  readonly ranges: PairRatios;
  readonly refined: PairRatios;
}

const PANELS = [
  ["firstWeights", "first weights"],
  ["firstActivations", "its output"],
  ["secondWeights", "second weights"],
  ["all", "all three"],
] as const satisfies readonly (readonly [keyof PairRatios, string])[];

/**
 * Signal-to-quantization-noise ratio at the output of the second of two layers, predicted (lines) and measured (dots), by what is
 * quantized: eqs. (7) and (9) of Meller et al. 2019, as printed and with the rounding errors that are known. Pairs from the highest
 * prediction to the lowest.
 */
export function sqnrPairs(pairs: readonly PairRow[]): Chart {
  const points = PANELS.flatMap(([kind, panel]) =>
    pairs
      .map(({ first, second, measured, ranges, refined }) => ({
        ...{ first, second, panel },
        ...{ measured: measured[kind], ranges: ranges[kind], refined: refined[kind] },
      }))
      .filter(({ measured, ranges, refined }) => [measured, ranges, refined].every(isNoise))
      .sort((a, b) => b.ranges - a.ranges)
      .map((point, at) => ({ ...point, rank: at + 1 })),
  );
  const errorOf = (source: "ranges" | "refined") =>
    middle(
      points.filter(({ panel }) => panel === "all three").map((point) => Math.abs(point[source] - point.measured)),
    ).toFixed(1);
  const shared = { x: "rank", fx: "panel" } as const;
  const lowest = pairs.reduce<PairRow | undefined>(
    (a, b) => (a && a.measured.all <= b.measured.all ? a : b),
    undefined,
  );
  const texts = {
    id: "sqnr-pairs",
    title: "SQNR at the output of the next layer, predicted and measured",
    unit: "dB",
    summary:
      lowest && points.length > 0
        ? `${count(pairs.length, "pair")}: the lowest ratio is ${decibels(lowest.measured.all)}, from ${lowest.first} to ${lowest.second}; ` +
          `the median prediction is off by ${errorOf("ranges")} dB from ranges and ${errorOf("refined")} dB refined.`
        : "No layer reads what another makes.",
    table: {
      columns: [
        ...["first layer", "second layer"],
        ...PANELS.flatMap(([, panel]) => [`${panel}, ranges dB`, `${panel}, refined dB`, `${panel}, measured dB`]),
      ],
      rows: pairs.map(({ first, second, measured, ranges, refined }) => [
        ...[first, second],
        ...PANELS.flatMap(([kind]) => [ranges[kind], refined[kind], measured[kind]].map(round)),
      ]),
      layerColumn: 0,
    },
  };
  return defineChart(texts, ({ width }) => ({
    width,
    height: 250,
    marginTop: 44,
    marginLeft: 46,
    marginRight: 16,
    key: { names: ["from ranges", "refined", "measured"], shape: ["line", "line", "dot"] },
    fx: { domain: PANELS.map(([, panel]) => panel), label: null, axis: "top", padding: 0.06 },
    x: {
      label: "pairs of layers by prediction",
      labelArrow: "none",
      tickFormat: "d",
      ticks: rankTicks(pairs.length),
      domain: rankDomain(pairs.length),
    },
    y: { label: "SQNR, dB", grid: true, nice: true, ...(points.length === 0 && { domain: [0, 1] }) },
    marks: [
      Plot.lineY(points, { ...shared, y: "ranges", stroke: category(0), strokeWidth: 1.8 }),
      Plot.lineY(points, { ...shared, y: "refined", stroke: category(1), strokeWidth: 1.4 }),
      Plot.dot(points, {
        ...shared,
        y: "measured",
        r: 3,
        fill: token("ground"),
        stroke: category(2),
        strokeWidth: 1.6,
        title: ({ first, second, measured, ranges, refined }: (typeof points)[number]) =>
          `${first} → ${second}\nranges ${decibels(ranges)}, refined ${decibels(refined)}, measured ${decibels(measured)}`,
      }),
    ],
  }));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
