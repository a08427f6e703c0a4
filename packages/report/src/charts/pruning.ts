import * as Plot from "@observablehq/plot";
import type { PruningSection } from "../schema.js";
import { barsChart } from "./bars.js";
import { category, DASHES, token } from "./colours.js";
import { type Chart, defineChart } from "./frame.js";
import { percent } from "./text.js";

const SYMBOLS = ["circle", "square", "triangle", "diamond", "star"] as const;

/** Accuracy against sparsity, a line a score, with the network before as a rule (MathWorks' pruning page). Draws what there is so far. */
export function accuracySparsity({ curves, original }: Pick<PruningSection, "curves" | "original">): Chart {
  const rows = curves.flatMap(({ method, points }) => points.map((point) => ({ method, ...point })));
  const last = curves.flatMap(({ method, points }) => {
    const end = points.at(-1);
    return end ? [`${method} keeps ${percent(end.accuracy)} at a sparsity of ${percent(end.sparsity)}`] : [];
  });
  const start = original === null ? "" : `The network before has ${percent(original)}; `;
  const texts = {
    id: "accuracy-sparsity",
    title: "Accuracy against sparsity",
    unit: "share of samples answered right",
    summary: last.length === 0 ? `${start}nothing was pruned yet.` : `${start}${last.join(", ")}.`,
    table: {
      columns: ["score", "sparsity", "accuracy", "95 % from", "95 % to"],
      rows: rows.map(({ method, sparsity, accuracy, low, high }) => [
        method,
        sparsity,
        accuracy,
        low ?? null,
        high ?? null,
      ]),
    },
  };
  const names = curves.map(({ method }) => method);
  return defineChart(texts, ({ width }) => ({
    width,
    height: 280,
    marginTop: 34,
    marginLeft: 52,
    marginRight: 20,
    key: { names, shape: "line" },
    x: { label: "sparsity", tickFormat: (x: number) => percent(x), domain: [0, 1] },
    y: { label: "accuracy", tickFormat: (y: number) => percent(y), grid: true, domain: [0, 1] },
    marks: [
      ...curves.flatMap(({ points }, at) => [
        Plot.areaY(
          points.filter(({ low, high }) => low !== undefined && high !== undefined),
          { x: "sparsity", y1: "low", y2: "high", fill: category(at), fillOpacity: 0.15 },
        ),
        Plot.lineY(points, {
          x: "sparsity",
          y: "accuracy",
          stroke: category(at),
          strokeWidth: 1.7,
          ...(DASHES[at] !== undefined && { strokeDasharray: DASHES[at] }),
        }),
        Plot.dot(points, {
          x: "sparsity",
          y: "accuracy",
          fill: category(at),
          r: 3,
          symbol: SYMBOLS[at % SYMBOLS.length]!,
          title: ({ sparsity, accuracy }: { sparsity: number; accuracy: number }) =>
            `${names[at]}: ${percent(accuracy)} at ${percent(sparsity)}`,
        }),
      ]),
      original === null ? null : Plot.ruleY([original], { stroke: token("muted"), strokeDasharray: "2,2" }),
      original === null
        ? null
        : Plot.text([original], {
            x: 1,
            y: (y: number) => y,
            text: () => "original",
            textAnchor: "end",
            dy: original !== null && original > 0.9 ? 9 : -6,
            dx: -4,
            fill: token("muted"),
          }),
    ],
  }));
}

/** Share of parameters that are pruned, by layer in graph order (MathWorks' pruning page). */
export function layerSparsity({ layers }: Pick<PruningSection, "layers">): Chart {
  const most = layers.reduce<(typeof layers)[number] | undefined>(
    (a, b) => (a && a.sparsity >= b.sparsity ? a : b),
    undefined,
  );
  const least = layers.reduce<(typeof layers)[number] | undefined>(
    (a, b) => (a && a.sparsity <= b.sparsity ? a : b),
    undefined,
  );
  return barsChart({
    texts: {
      id: "layer-sparsity",
      title: "Sparsity by layer",
      unit: "share of parameters that are zero",
      summary:
        most && least
          ? `${most.layer} is pruned most (${percent(most.sparsity)}), ${least.layer} least (${percent(least.sparsity)}).`
          : "No layer was pruned.",
      table: {
        columns: ["layer", "sparsity"],
        rows: layers.map(({ layer, sparsity }) => [layer, sparsity]),
        layerColumn: 0,
      },
    },
    rows: layers.map(({ layer }) => layer),
    series: ["pruned"],
    bars: layers.map(({ layer, sparsity }) => ({ row: layer, series: "pruned", from: 0, to: sparsity })),
    labels: layers.map(({ sparsity }) => percent(sparsity)),
    xLabel: "sparsity",
    xFormat: (value) => percent(value),
  });
}

/** Output channels that can go because all of their weights are zero, and those that stay (MathWorks' pruning page). */
export function layerChannels({ layers }: Pick<PruningSection, "layers">): Chart {
  const removed = layers.reduce((sum, layer) => sum + layer.removed, 0);
  const all = layers.reduce((sum, layer) => sum + layer.channels, 0);
  return barsChart({
    texts: {
      id: "layer-channels",
      title: "Channels by layer, removed and kept",
      unit: "output channels",
      summary: `${removed} of ${all} output channels are pruned as a whole.`,
      table: {
        columns: ["layer", "removed", "kept"],
        rows: layers.map(({ layer, channels, removed }) => [layer, removed, channels - removed]),
        layerColumn: 0,
      },
    },
    rows: layers.map(({ layer }) => layer),
    series: ["kept", "removed"],
    bars: layers.flatMap(({ layer, channels, removed }) => [
      { row: layer, series: "kept", from: 0, to: channels - removed },
      { row: layer, series: "removed", from: channels - removed, to: channels },
    ]),
    labels: layers.map(({ channels, removed }) => `${removed} of ${channels} removed`),
    xLabel: "channels",
    xFormat: (value) => String(value),
  });
}
