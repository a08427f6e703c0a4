import type { CurvesSection, Frozen, SqnrSection } from "../schema.js";
import { type Chart, type ChartTable, defineChart } from "./frame.js";
import { type LinePoint, rankDomain, rankTicks, seriesLines } from "./lines.js";
import { count, decibels, isNoise, middle } from "./text.js";

const PANELS = ["weights", "activations"] as const;
type Panel = (typeof PANELS)[number];

/** A line of {@link curveChart} by layer. */
interface Line {
  readonly series: string;
  readonly values: Readonly<Record<Panel, readonly (number | null)[]>>;
}

/**
 * Local ratios of every layer in all states of the network, with the bound of optimal equalization: before, one-step,
 * two-step, optimal (Fig. 6 of Meller et al. 2019). Layers from the highest ratio of the first state to the lowest.
 */
export function sqnrStates(section: Frozen<CurvesSection>): Chart {
  const lines: Line[] = section.states.map(({ state, weights, activations }) => ({
    series: state,
    values: { weights, activations },
  }));
  const first = section.states[0];
  const last = section.states.at(-1);
  const gains = first && last ? last.weights.map((db, at) => db - first.weights[at]!).filter(Number.isFinite) : [];
  const better = gains.filter((gain) => gain > 0.1).length;
  return curveChart(section.layers, lines, {
    id: "sqnr-states",
    title: "SQNR by layer before and after equalization",
    summary:
      first && last
        ? `From ${first.state} to ${last.state}, the weights of ${better} of ${count(gains.length, "layer")} gain; the median gain is ${middle(gains).toFixed(1)} dB.`
        : "No state was measured.",
  });
}

/** Whether two states differ by what is seen in a drawing: where a step was undone their lines lie on each other. */
export function changes({ states }: Frozen<CurvesSection>): boolean {
  const [first, ...others] = states;
  const differs = (a: number | null, b: number | null | undefined) => Math.abs((a ?? 0) - (b ?? 0)) >= 0.05;
  return others.some(({ weights, activations }) =>
    [weights, activations].some((values, kind) =>
      values.some((db, at) => differs(db, (kind === 0 ? first!.weights : first!.activations)[at])),
    ),
  );
}

/** Ratios of the first state against the bound of optimal equalization, noise uniform in a step (Fig. 5). */
export function sqnrOptimal(section: Frozen<CurvesSection>): Chart {
  const first = section.states[0];
  const lines: Line[] = [
    ...section.states.map((state) => ({
      series: state.state,
      values: { weights: state.weightUniform, activations: state.activationUniform },
    })),
    { series: "optimal bound", values: section.optimal },
  ];
  const gaps = first
    ? section.optimal.weights.map((db, at) => db - first.weightUniform[at]!).filter(Number.isFinite)
    : [];
  return curveChart(section.layers, lines, {
    id: "sqnr-optimal",
    title: "SQNR by layer and the bound of optimal equalization",
    summary: `Equalizing perfectly could win ${middle(gaps).toFixed(1)} dB of the weights in the median layer, ${gaps.reduce((a, b) => Math.max(a, b), 0).toFixed(1)} dB at most.`,
  });
}

/** Ratios with float inputs (local), behind the quantized network so far (cumulative), and of the weights alone. */
export function sqnrKinds({ layers }: Frozen<SqnrSection>): Chart {
  const series = ["local", "cumulative", "weight"];
  const rows = layers.map(({ layer, local, cumulative, weight }) => [
    layer,
    local.both,
    cumulative?.both ?? null,
    weight.measuredDb,
  ]);
  const points = rows.flatMap(([layer, ...values], at) =>
    values.flatMap((y, kind): LinePoint[] =>
      typeof y === "number" ? [{ series: series[kind]!, x: at + 1, y, layer: String(layer) }] : [],
    ),
  );
  const lowest = (key: 1 | 2) =>
    rows.reduce<(typeof rows)[number] | undefined>((a, b) => {
      if (b[key] === null) return a;
      return a === undefined || Number(b[key]) < Number(a[key]) ? b : a;
    }, undefined);
  const [local, cumulative] = [lowest(1), lowest(2)];
  const texts = {
    id: "sqnr-kinds",
    title: "SQNR by layer: local, cumulative, weights",
    unit: "dB",
    summary: local
      ? `The culprit, lowest with float inputs, is ${local[0]} with ${decibels(Number(local[1]))}` +
        `${cumulative ? `; behind the network quantized so far the lowest is ${cumulative[0]} with ${decibels(Number(cumulative[2]))}` : ""}.`
      : "No layer was measured.",
    table: { columns: ["layer", "local dB", "cumulative dB", "weight dB"], rows, layerColumn: 0 },
  };
  return defineChart(texts, ({ width }) => ({
    width,
    height: 250,
    marginTop: 30,
    marginLeft: 46,
    marginRight: 16,
    key: { names: series, shape: "line" },
    x: { label: "layer, graph order", tickFormat: "d", ticks: rankTicks(rows.length), domain: rankDomain(rows.length) },
    y: { label: "SQNR, dB", grid: true, nice: true, ...yDomain(points) },
    marks: seriesLines(points, series, width),
  }));
}

/** Without a single ratio Plot would find no axis. */
function yDomain(points: readonly LinePoint[]): { domain?: [number, number] } {
  return points.some(({ y }) => isNoise(y)) ? {} : { domain: [0, 1] };
}

function curveChart(layers: readonly string[], lines: readonly Line[], texts: Pick<Chart, "id" | "title" | "summary">) {
  const points = PANELS.flatMap((panel) => {
    const reference = lines[0]?.values[panel] ?? [];
    const order = layers.map((_, at) => at).filter((at) => lines.every(({ values }) => values[panel][at] !== null));
    order.sort((a, b) => Number(reference[b]) - Number(reference[a]));
    return lines.flatMap(({ series, values }) =>
      order.map(
        (at, rank): LinePoint => ({
          series,
          panel,
          x: rank + 1,
          y: Number(values[panel][at]),
          layer: layers[at]!,
        }),
      ),
    );
  });
  const series = lines.map((line) => line.series);
  const table: ChartTable = {
    columns: ["layer", ...lines.flatMap((line) => PANELS.map((panel) => `${line.series}, ${panel} dB`))],
    rows: layers.map((layer, at) => [
      layer,
      ...lines.flatMap(({ values }) => PANELS.map((panel) => values[panel][at] ?? null)),
    ]),
    layerColumn: 0,
  };
  return defineChart({ ...texts, unit: "dB", table }, ({ width }) => ({
    width,
    height: 270,
    marginTop: 44,
    marginLeft: 46,
    marginRight: 16,
    fx: { domain: [...PANELS], label: null, padding: 0.06 },
    key: { names: series, shape: "line" },
    x: {
      label: `layers by ratio ${series[0] ?? ""}`,
      tickFormat: "d",
      ticks: rankTicks(layers.length),
      domain: rankDomain(layers.length),
    },
    y: { label: "SQNR, dB", grid: true, nice: true, ...yDomain(points) },
    marks: seriesLines(points, series, width),
  }));
}
