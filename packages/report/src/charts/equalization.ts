import * as Plot from "@observablehq/plot";
import type { MaximaPair } from "../schema.js";
import { category, token } from "./colours.js";
import { type Chart, defineChart } from "./frame.js";
import { shortName, significant } from "./text.js";

const STATES = ["before", "after"] as const;

/** Points of a step as wide as the channel: every channel twice. */
function steps<Kind extends object>(values: readonly number[], kind: Kind) {
  return values.flatMap((y, at) => [
    { ...kind, x: at, y },
    { ...kind, x: at + 1, y },
  ]);
}

/**
 * Largest weight of every channel of two layers that share their channels: output channels of the first, input channels of
 * the second, and below it, where it is known, the largest value between them; before and after equalization (Fig. 3 of
 * Meller et al. 2019).
 */
export function channelMaxima(pair: MaximaPair): Chart {
  const { producer, consumer, before, after } = pair;
  const roles = [
    ["producer", shortName(producer, 24)],
    ["consumer", shortName(consumer, 24)],
  ] as const;
  const points = roles.flatMap(([role, name]) => STATES.flatMap((state) => steps(pair[state][role], { state, name })));
  const between = STATES.flatMap((state) => steps(pair[state].activations ?? [], { state }));
  const known = between.length > 0;
  const texts = {
    id: "channel-maxima",
    title: `Channel maxima of ${producer} and ${consumer}`,
    unit: `largest |weight| of a channel${known ? ", and largest |value| between the layers" : ""}, real units`,
    summary:
      `Between its channels, ${producer} spreads ${significant(spread(before.producer))} times before and ` +
      `${significant(spread(after.producer))} after; ${consumer} ${significant(spread(before.consumer))} and ${significant(spread(after.consumer))}` +
      `${known ? `; the values between them ${significant(spread(before.activations!))} and ${significant(spread(after.activations!))}` : ""}.`,
    table: {
      columns: [
        "channel",
        ...roles.flatMap(([role]) => [`${role} before`, `${role} after`]),
        ...(known ? ["activations before", "activations after"] : []),
      ],
      rows: Array.from({ length: Math.max(before.producer.length, after.producer.length) }, (_, at) => [
        at,
        ...roles.flatMap(([role]) => [before[role][at] ?? null, after[role][at] ?? null]),
        ...(known ? [before.activations?.[at] ?? null, after.activations?.[at] ?? null] : []),
      ]),
    },
    layer: producer,
  };
  return defineChart(texts, ({ width }) => ({
    width,
    height: 260,
    marginLeft: 52,
    marginRight: 150,
    fx: { domain: [...STATES], label: null, padding: 0.06 },
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
    ...(known && {
      below: {
        width,
        height: 130,
        marginTop: 20,
        marginLeft: 52,
        marginRight: 150,
        fx: { domain: [...STATES], axis: null, padding: 0.06 },
        x: { label: "channel", ticks: 4, tickFormat: "d" },
        y: {
          label: "max |y| between the layers",
          labelArrow: "none",
          grid: true,
          ticks: 3,
          tickFormat: (y: number) => significant(y),
        },
        marks: [
          Plot.areaY(between, { x: "x", y1: 0, y2: "y", fx: "state", fill: category(2), z: null }),
          Plot.ruleY([0], { stroke: token("muted") }),
        ],
      },
    }),
  }));
}

/** Largest over smallest of what is not empty. */
function spread(values: readonly number[]): number {
  const used = values.filter((value) => value > 0);
  return used.length === 0 ? 1 : Math.max(...used) / Math.min(...used);
}
