import * as Plot from "@observablehq/plot";
import type { SampleErrorsSection } from "../schema.js";
import { category, token } from "./colours.js";
import { type Chart, defineChart } from "./frame.js";
import { rankDomain, rankTicks } from "./lines.js";
import { count, decibels, isNoise, middle } from "./text.js";

/**
 * Error of the outputs image by image, the worst first: one bad image points at the data, many at the network. Images whose
 * answer changed are crosses.
 */
export function sampleErrors({ source, total, rows }: SampleErrorsSection): Chart {
  const sorted = [...rows].sort((a, b) => order(a.sqnrDb) - order(b.sqnrDb));
  const points = sorted.map((row, at) => ({ ...row, rank: at + 1 })).filter(({ sqnrDb }) => isNoise(sqnrDb));
  const changed = rows.filter(({ same }) => !same).length;
  const median = middle(points.map(({ sqnrDb }) => sqnrDb));
  const [worst] = points;
  const shown = rows.length < total ? `${rows.length} of ${count(total, "sample")}` : count(total, "sample");
  const texts = {
    id: "sample-errors",
    title: source === "validation" ? "Error by image" : "Error by image, calibration data",
    unit: "output SQNR, dB; × the answer changed",
    summary: worst
      ? `Of ${shown}, ${changed} change${changed === 1 ? "s" : ""} the answer; the median ratio is ${decibels(median)}, the worst ${decibels(worst.sqnrDb)} (${worst.id}).`
      : `Of ${shown} none differs.`,
    table: {
      columns: ["image", "SQNR dB", "class", "answer"],
      rows: sorted.map(({ id, sqnrDb, label, same }) => [id, sqnrDb, label, same ? "same" : "changed"]),
    },
  };
  type Point = (typeof points)[number];
  const shared = {
    x: "rank",
    y: "sqnrDb",
    title: ({ id, sqnrDb, same }: Point) => `${id}: ${decibels(sqnrDb)}${same ? "" : ", the answer changed"}`,
  } as const;
  return defineChart(texts, ({ width }) => ({
    width,
    height: 200,
    marginTop: 26,
    marginLeft: 46,
    marginRight: 24,
    x: {
      label: "images, worst first",
      domain: rankDomain(sorted.length),
      ticks: rankTicks(sorted.length),
      tickFormat: "d",
    },
    y: { label: "SQNR, dB", grid: true, nice: true, ...(points.length === 0 && { domain: [0, 1] }) },
    marks: [
      points.length === 0 ? null : Plot.ruleY([median], { stroke: token("muted"), strokeDasharray: "2,2" }),
      points.length === 0
        ? null
        : Plot.text([median], {
            y: (db: number) => db,
            text: () => "median",
            frameAnchor: "right",
            textAnchor: "end",
            dy: -6,
            fill: token("muted"),
          }),
      // Two marks: an element then needs no colours of its own.
      Plot.dot(
        points.filter(({ same }) => same),
        { ...shared, r: points.length > 120 ? 1.8 : 3, fill: category(0) },
      ),
      Plot.dot(
        points.filter(({ same }) => !same),
        { ...shared, r: 3, symbol: "times", stroke: category(1), strokeWidth: 1.6 },
      ),
    ],
  }));
}

/** Not a number sorts last. */
function order(db: number): number {
  return Number.isNaN(db) ? Number.POSITIVE_INFINITY : db;
}
