import * as Plot from "@observablehq/plot";
import { category, DASHES } from "./colours.js";
import { linked } from "./marks.js";
import { decibels, isNoise } from "./text.js";

/** A point of one of several lines. */
export interface LinePoint {
  readonly series: string;
  readonly panel?: string;
  readonly x: number;
  readonly y: number;
  readonly layer?: string;
}

/**
 * One line a series with its own colour and dash, over columns that link a place on the axis to its layer. Ratios without noise
 * are left out. `room` is the width in px of all panels.
 */
export function seriesLines(all: readonly LinePoint[], series: readonly string[], room: number): Plot.Markish[] {
  const points = all.filter(({ y }) => isNoise(y));
  const panels = [...new Set(points.map(({ panel }) => panel))];
  const facet = panels.length > 1 || panels[0] !== undefined ? { fx: "panel" } : {};
  return [
    layerColumns(points, facet, room / Math.max(panels.length, 1)),
    ...series.flatMap((name, at) => {
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
        own.length === 1 ? Plot.dot(own, { ...facet, x: "x", y: "y", fill: category(at), r: 3 }) : null,
      ];
    }),
  ];
}

/** A column over the height of the frame for every layer: invisible until it is pointed at or selected. */
function layerColumns(points: readonly LinePoint[], facet: { fx?: string }, room: number): Plot.Markish {
  const places = new Map<string, LinePoint[]>();
  for (const point of points) {
    if (point.layer === undefined) continue;
    const key = `${point.panel}|${point.x}|${point.layer}`;
    places.set(key, [...(places.get(key) ?? []), point]);
  }
  const columns = [...places.values()];
  const widest = columns.reduce((most, [first]) => Math.max(most, first!.x), 1);
  const { render } = linked(columns.map(([first]) => first!.layer!));
  return Plot.ruleX(
    columns.map(([first]) => first!),
    {
      ...facet,
      x: "x",
      stroke: "transparent",
      strokeWidth: Math.max(1, Math.min(24, (room - 60) / widest)),
      title: (_point: LinePoint, at: number) =>
        [columns[at]![0]!.layer, ...columns[at]!.map(({ series, y }) => `${series} ${decibels(y)}`)].join("\n"),
      render: (index, scales, values, dimensions, context, next) => {
        const group = render(index, scales, values, dimensions, context, next)!;
        group.setAttribute("class", "eq-columns");
        return group;
      },
    },
  );
}

/** Ends of an axis of n ranks, half a rank beyond the first and last. */
export function rankDomain(n: number): [number, number] {
  return [0.5, Math.max(n, 1) + 0.5];
}

/** Whole numbers from 1 to n, eight at most: ticks of an axis of layers. */
export function rankTicks(n: number): number[] {
  const step = Math.max(1, Math.ceil(n / 8));
  return Array.from({ length: Math.ceil(n / step) }, (_, at) => 1 + at * step);
}
