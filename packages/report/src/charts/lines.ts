import * as Plot from "@observablehq/plot";
import { category, DASHES } from "./colours.js";

/** A point of one of several lines. */
export interface LinePoint {
  readonly series: string;
  readonly panel?: string;
  readonly x: number;
  readonly y: number;
  readonly layer?: string;
}

/** One line a series with its own colour and dash, and the series' name at the line's end. */
export function seriesLines(points: readonly LinePoint[], series: readonly string[]): Plot.Markish[] {
  const panels = [...new Set(points.map(({ panel }) => panel))];
  const facet = panels.length > 1 || panels[0] !== undefined ? { fx: "panel" } : {};
  return series.flatMap((name, at) => {
    const own = points.filter((point) => point.series === name);
    const dash = DASHES[at % DASHES.length];
    return [
      Plot.lineY(own, {
        ...facet,
        x: "x",
        y: "y",
        stroke: category(at),
        strokeWidth: 1.7,
        ...(dash !== undefined && { strokeDasharray: dash }),
      }),
    ];
  });
}

/** Whole numbers from 1 to n, eight at most: ticks of an axis of layers. */
export function rankTicks(n: number): number[] {
  const step = Math.max(1, Math.ceil(n / 8));
  return Array.from({ length: Math.ceil(n / step) }, (_, at) => 1 + at * step);
}
