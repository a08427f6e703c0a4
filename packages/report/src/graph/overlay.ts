import { DARK, LIGHT } from "../charts/colours.js";
import { formatBytes, shortCount } from "./format-value.js";
import type { Card, GraphSummary, Overlay, OverlayMetric, SummaryNode } from "./types.js";

/** Value of a node under a metric: the overlay's own where it has one, else the summary's. */
export function nodeValue(node: SummaryNode, metric: OverlayMetric, overlay?: Overlay): number | undefined {
  const given = overlay?.metric === metric ? overlay.values?.[node.id] : undefined;
  if (given !== undefined) return given;
  switch (metric) {
    case "sqnr":
      return node.sqnrDb;
    case "bits":
      return node.bits;
    case "size":
      return node.weightBytes || undefined;
    case "sparsity":
      return node.sparsity;
    case "macs":
      return node.macs || undefined;
    case "none":
      return undefined;
  }
}

/**
 * Value of a card from the nodes in it: size and MACs add up, SQNR and bits are the lowest (the worst), sparsity is
 * the mean weighted by bytes. Undefined when no node in it has one.
 */
export function cardValue(nodes: readonly SummaryNode[], metric: OverlayMetric, overlay?: Overlay): number | undefined {
  const pairs = nodes
    .map((node) => [nodeValue(node, metric, overlay), node.weightBytes || 1] as const)
    .filter((pair): pair is readonly [number, number] => pair[0] !== undefined && !Number.isNaN(pair[0]));
  if (pairs.length === 0) return undefined;
  const values = pairs.map(([value]) => value);
  if (metric === "size" || metric === "macs") return values.reduce((sum, value) => sum + value, 0);
  if (metric !== "sparsity") return Math.min(...values);
  const weight = pairs.reduce((sum, [, bytes]) => sum + bytes, 0);
  return pairs.reduce((sum, [value, bytes]) => sum + value * bytes, 0) / weight;
}

/** Values of all cards, in their order. */
export function cardValues(graph: GraphSummary, cards: readonly Card[], overlay: Overlay): (number | undefined)[] {
  const byId = new Map(graph.nodes.map((node) => [node.id, node]));
  return cards.map((card) =>
    cardValue(card.nodeIds.map((id) => byId.get(id)!).filter(Boolean), overlay.metric, overlay),
  );
}

/** A step of the legend. */
export interface Bin {
  readonly label: string;
  /** The lowest value in it; −∞ for the first. */
  readonly from: number;
  /** Border dash in world units, where the metric has one. */
  readonly dash?: readonly number[];
}

/** The legend of a metric: bins from low to high, and the ramp they take their colours from. */
export interface Legend {
  readonly title: string;
  readonly ramp: "viridis" | "blue" | "categories";
  readonly bins: readonly Bin[];
}

const FROM_LOW = Number.NEGATIVE_INFINITY;

/** Bins between ascending edges. */
const between = (edges: readonly number[], format: (value: number) => string): Bin[] => [
  { label: `< ${format(edges[0]!)}`, from: FROM_LOW },
  ...edges.map((edge, i) => ({
    label: i + 1 < edges.length ? `${format(edge)} – ${format(edges[i + 1]!)}` : `≥ ${format(edge)}`,
    from: edge,
  })),
];

/** Four decades up to that of the largest value. */
function decades(values: readonly (number | undefined)[], format: (value: number) => string): Bin[] {
  const largest = Math.max(1, ...values.map((value) => value ?? 0));
  const top = Math.max(3, Math.floor(Math.log10(largest)));
  return between(
    [3, 2, 1, 0].map((below) => 10 ** (top - below)),
    format,
  );
}

/** Undefined for no overlay. Values decide where the decades of sizes and MACs lie. */
export function legendOf(metric: OverlayMetric, values: readonly (number | undefined)[]): Legend | undefined {
  switch (metric) {
    case "none":
      return undefined;
    case "sqnr":
      return { title: "SQNR", ramp: "viridis", bins: between([10, 20, 30, 40], (db) => `${db} dB`) };
    case "bits":
      return {
        title: "Weight bits",
        ramp: "categories",
        bins: [
          { label: "≤ 4 bit", from: FROM_LOW, dash: [2, 3] },
          { label: "8 bit", from: 5, dash: [6, 3] },
          { label: "16 bit", from: 9, dash: [12, 4] },
          { label: "32 bit", from: 17, dash: [] },
        ],
      };
    case "size":
      return { title: "Weight size", ramp: "blue", bins: decades(values, (bytes) => formatBytes(bytes, shortCount)) };
    case "sparsity":
      return {
        title: "Sparsity",
        ramp: "blue",
        bins: between([0.25, 0.5, 0.75, 0.9], (share) => `${Math.round(100 * share)} %`),
      };
    case "macs":
      return { title: "Multiply-accumulates", ramp: "blue", bins: decades(values, shortCount) };
  }
}

/** Index of the bin a value falls in; −1 for none. */
export function binOf(legend: Legend, value: number | undefined): number {
  if (value === undefined || Number.isNaN(value)) return -1;
  let bin = 0;
  while (bin + 1 < legend.bins.length && value >= legend.bins[bin + 1]!.from) bin++;
  return bin;
}

const SPREAD = [0, 1, 3, 5, 6];

/** Colour of a bin, as a token of the charts' palette; text on it is `on-` and the same. */
export function binToken({ ramp }: Legend, bin: number): string {
  if (ramp === "viridis") return `sqnr-${bin}`;
  return ramp === "blue" ? `seq-${SPREAD[bin]}` : `cat-${bin}`;
}

/** Colour of a bin where no style sheet holds the tokens. */
export function binColour({ ramp }: Legend, bin: number, dark: boolean): string {
  const theme = dark ? DARK : LIGHT;
  if (ramp === "viridis") return theme.sqnr[bin]!;
  return ramp === "blue" ? theme.sequential[SPREAD[bin]!]! : theme.category[bin]!;
}

/** Distinct weight widths of the nodes in a card, as `8b` or `8+32b`; a single one is not said twice where bits are the overlay. */
export function bitsBadge(nodes: readonly SummaryNode[], overlay: Overlay): string {
  const own: Overlay = {
    metric: "bits",
    ...(overlay.metric === "bits" && overlay.values && { values: overlay.values }),
  };
  const bits = new Set(nodes.flatMap((node) => nodeValue(node, "bits", own) ?? []));
  if (bits.size === 0 || (bits.size === 1 && overlay.metric === "bits")) return "";
  return `${[...bits].sort((a, b) => a - b).join("+")}b`;
}
