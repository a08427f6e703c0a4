import type { LayerSqnr, PairDb, PairSqnr, SqnrReport } from "@equant/core/lab";
import type { CommandContext } from "../frame/context.js";
import { formatDb } from "./format.js";

export const SORTS = ["local", "cumulative", "graph"] as const;
export type SqnrOrder = (typeof SORTS)[number];

/** Layers with the lowest ratio of the given kind first, or in graph order. */
export function sortedLayers(layers: readonly LayerSqnr[], order: SqnrOrder): LayerSqnr[] {
  if (order === "graph") return [...layers];
  const key = ({ local, cumulative }: LayerSqnr) => (order === "local" ? local.both : (cumulative?.both ?? local.both));
  return [...layers].sort((a, b) => key(a) - key(b));
}

/** One row a layer. */
export function sqnrTable(
  context: CommandContext,
  { layers }: SqnrReport,
  { sort, top }: { sort: SqnrOrder; top: number },
): string {
  return context.table<LayerSqnr>(
    [
      { title: "layer", cell: ({ layer }) => layer, align: "left" },
      { title: "local dB", cell: ({ local }) => formatDb(local.both) },
      { title: "cumulative", cell: ({ cumulative }) => (cumulative ? formatDb(cumulative.both) : "-") },
      { title: "weights", cell: ({ local }) => formatDb(local.weights) },
      {
        title: "activations",
        cell: ({ local }) => (local.activations === null ? "float" : formatDb(local.activations)),
      },
      { title: "predicted", cell: ({ predicted }) => formatDb(predicted.refined.both) },
      { title: "kind of loss", cell: ({ findings }) => findings[0]?.text ?? "-", align: "left" },
    ],
    sortedLayers(layers, sort).slice(0, top),
  );
}

/** How good the prediction was. */
export function agreementLine({ agreement }: SqnrReport): string {
  const { weights, activations } = agreement.refined;
  const line = (name: string, { medianErrorDb, correlation }: typeof weights) =>
    `${name}: median |predicted − measured| ${medianErrorDb.toFixed(1)} dB, r = ${correlation.toFixed(2)}`;
  return `${line("weights", weights)} · ${line("activations", activations)}\n`;
}

const KINDS: readonly (readonly [keyof PairDb, string])[] = [
  ["firstWeights", "first weights"],
  ["firstActivations", "its output"],
  ["secondWeights", "second weights"],
  ["all", "all"],
];

/** One row a pair: measured, and as predicted from ranges, in dB at the output of the second layer. */
export function pairsTable(context: CommandContext, pairs: readonly PairSqnr[]): string {
  return context.table<PairSqnr>(
    [
      { title: "first layer", cell: ({ first }) => first, align: "left" },
      { title: "second layer", cell: ({ second }) => second, align: "left" },
      ...KINDS.map(([kind, title]) => ({
        title: `${title}, predicted / measured`,
        cell: ({ ranges, measured }: PairSqnr) => `${formatDb(ranges[kind])} / ${formatDb(measured[kind])}`,
      })),
    ],
    pairs,
  );
}
