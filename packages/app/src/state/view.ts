import { signal } from "@preact/signals";

/** What colours the graph. */
export const GRAPH_COLOURS = ["sqnr-local", "sqnr-cumulative", "bits", "size", "macs", "none"] as const;
export type GraphColour = (typeof GRAPH_COLOURS)[number];
export const graphColour = signal<GraphColour>("sqnr-local");

export function isGraphColour(text: string): text is GraphColour {
  return (GRAPH_COLOURS as readonly string[]).includes(text);
}

/** Columns by which the layer table can be sorted. */
export const SORT_KEYS = ["graph", "name", "bytes", "spread", "weightDb", "localDb", "cumulativeDb"] as const;
export type SortKey = (typeof SORT_KEYS)[number];
export const sorting = signal<{ readonly key: SortKey; readonly down: boolean }>({ key: "graph", down: false });

export function isSortKey(text: string): text is SortKey {
  return (SORT_KEYS as readonly string[]).includes(text);
}
