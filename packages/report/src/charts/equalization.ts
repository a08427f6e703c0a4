import * as Plot from "@observablehq/plot";
import type { MaximaPair } from "../schema.js";
import { category, token } from "./colours.js";
import { type Chart, defineChart } from "./frame.js";
import { shortName, significant } from "./text.js";

/**
 * Largest weight of every channel of two layers that share their channels: output channels of the first, input channels of
 * the second, before and after equalization (Fig. 3 of Meller et al. 2019).
 */
export function channelMaxima(pair: MaximaPair): Chart {
  const { producer, consumer, before, after } = pair;
  const roles = [
    ["producer", shortName(producer, 24)],
    ["consumer", shortName(consumer, 24)],
  ] as const;
  const points = roles.flatMap(([role, name]) =>
    (
      [
        ["before", before],
        ["after", after],
      ] as const
    ).flatMap(([state, values]) =>
      // Every channel twice, so that the step is as wide as the channel.
      values[role].flatMap((y, at) => [
        { state, name, x: at, y },
        { state, name, x: at + 1, y },
      ]),
    ),
  );
  const texts = {
    id: "channel-maxima",
    title: `Channel maxima of ${producer} and ${consumer}`,
    unit: "largest |weight| of a channel, real units",
    summary:
      `Between its channels, ${producer} spreads ${significant(spread(before.producer))} times before and ` +
      `${significant(spread(after.producer))} after; ${consumer} ${significant(spread(before.consumer))} and ${significant(spread(after.consumer))}.`,
    table: {
      columns: ["channel", ...roles.flatMap(([role]) => [`${role} before`, `${role} after`])],
      rows: Array.from({ length: Math.max(before.producer.length, after.producer.length) }, (_, at) => [
        at,
        ...roles.flatMap(([role]) => [before[role][at] ?? null, after[role][at] ?? null]),
      ]),
    },
    layer: producer,
  };
  return defineChart(texts, ({ width }) => ({
    width,
    height: 260,
    marginLeft: 52,
    marginRight: 150,
    fx: { domain: ["before", "after"], label: null, padding: 0.06 },
    fy: { domain: roles.map(([, name]) => name), label: null, padding: 0.14 },
    x: { label: "channel", ticks: 4, tickFormat: "d" },
    y: { label: "max |w|", grid: true, ticks: 4, tickFormat: (y: number) => significant(y) },
    marks: [
      Plot.areaY(points, {
        x: "x",
        y1: 0,
        y2: "y",
        fx: "state",
        fy: "name",
        fill: ({ name }: { name: string }) => category(name === roles[0][1] ? 0 : 1),
        z: null,
      }),
      Plot.ruleY([0], { stroke: token("muted") }),
    ],
  }));
}

/** Largest over smallest of what is not empty. */
function spread(values: readonly number[]): number {
  const used = values.filter((value) => value > 0);
  return used.length === 0 ? 1 : Math.max(...used) / Math.min(...used);
}
