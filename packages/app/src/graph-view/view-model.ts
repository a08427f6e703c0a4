import type { FoldedGraph, GraphLayout, GraphSummary, Overlay } from "@equant/report/graph";
import { binOf, cardValues, type FoldOptions, foldGraph, type Legend, legendOf } from "@equant/report/graph";
import { batch, computed, effect, type ReadonlySignal, Signal, signal } from "@preact/signals";
import { type LayoutOptions, layoutGraph } from "./layout-graph.js";
import { parseSearch, type Search } from "./search.js";
import { type Neighbours, neighboursOf, type TraceMode, tracePath } from "./trace.js";
import { type Direction, neighbourTowards } from "./walk.js";

export interface ViewModelOptions {
  readonly graph: Signal<GraphSummary> | GraphSummary;
  /** Node id, shared with table and charts; a terminal has `input:NAME` or `output:NAME`. */
  readonly selection: Signal<string | undefined>;
  readonly overlay: Signal<Overlay> | Overlay;
  readonly layout?: Omit<LayoutOptions, "signal">;
}

/** What is drawn: cards and where they are. Always of one and the same folding. */
export interface Placed {
  readonly folded: FoldedGraph;
  readonly layout: GraphLayout;
  readonly neighbours: Neighbours;
}

/** State of the graph view without any drawing. */
export type ViewModel = ReturnType<typeof createViewModel>;

const signalOf = <T>(value: Signal<T> | T): Signal<T> => (value instanceof Signal ? value : signal(value));

export function createViewModel(options: ViewModelOptions) {
  const graph = signalOf(options.graph);
  const overlay = signalOf(options.overlay);
  const { selection } = options;
  const level = signal<NonNullable<FoldOptions["level"]>>("blocks");
  const unfolded = signal<ReadonlySet<string>>(new Set());
  const hidden = signal<ReadonlySet<number>>(new Set());
  const query = signal("");
  const trace = signal<TraceMode>("none");
  const busy = signal(false);
  const placed = signal<Placed | undefined>(undefined);

  const folded = computed(() => foldGraph(graph.value, { level: level.value, unfolded: unfolded.value }));
  const stopLayout = effect(() => {
    const target = folded.value;
    const abort = new AbortController();
    busy.value = true;
    layoutGraph(target, { ...options.layout, signal: abort.signal }).then(
      (layout) => {
        if (abort.signal.aborted) return;
        batch(() => {
          placed.value = { folded: target, layout, neighbours: neighboursOf(target) };
          busy.value = false;
        });
      },
      () => {},
    );
    return () => abort.abort();
  });

  const metric = computed(() => overlay.value.metric);
  const stopFilter = effect(() => {
    // Steps of another metric are other steps.
    void metric.value;
    hidden.value = new Set();
  });

  const values = computed(() =>
    placed.value ? cardValues(graph.value, placed.value.folded.cards, overlay.value) : [],
  );
  const legend: ReadonlySignal<Legend | undefined> = computed(() => legendOf(overlay.value.metric, values.value));
  const bins = computed(() => {
    const steps = legend.value;
    return values.value.map((value) => (steps ? binOf(steps, value) : -1));
  });
  const search: ReadonlySignal<Search> = computed(() => parseSearch(query.value));
  const byId = computed(() => new Map(graph.value.nodes.map((node) => [node.id, node])));
  /** Ids of the nodes found, in graph order. */
  const found = computed(() =>
    search.value.empty
      ? []
      : graph.value.nodes.filter((node) => search.value.test(node, overlay.value)).map((node) => node.id),
  );
  const matches = computed(() => {
    const cards = placed.value?.folded.cardOf;
    return new Set(found.value.map((id) => cards?.get(id)).filter((card) => card !== undefined));
  });
  const current = computed(() =>
    selection.value === undefined ? undefined : placed.value?.folded.cardOf.get(selection.value),
  );
  const path = computed(() =>
    trace.value === "none" || current.value === undefined || !placed.value
      ? undefined
      : tracePath(placed.value.neighbours, current.value, trace.value),
  );
  /** Cards drawn faint: filtered out by the legend, off the traced path, or not found. */
  const faint = computed(() => {
    const cards = placed.value?.folded.cards ?? [];
    return cards.map(
      (_, card) =>
        (bins.value[card] !== -1 && hidden.value.has(bins.value[card] ?? -1)) ||
        (path.value !== undefined && !path.value.has(card)) ||
        (matches.value.size > 0 && !matches.value.has(card)),
    );
  });

  const select = (card: number | undefined) => {
    selection.value = card === undefined ? undefined : placed.value?.folded.cards[card]?.main;
  };
  const without = (set: ReadonlySet<string>, id: string) => new Set([...set].filter((other) => other !== id));

  return {
    ...{ graph, overlay, selection, level, unfolded, hidden, query, trace, busy, placed },
    ...{ values, legend, bins, search, byId, found, matches, current, path, faint, select },

    /** Unfolds a folded card, or folds back the one it came out of; false when the card is neither. */
    toggle(card: number): boolean {
      return this.unfold(card) || this.fold(card);
    },
    unfold(card: number): boolean {
      const it = placed.value?.folded.cards[card];
      if (it?.kind !== "chain" && it?.kind !== "block") return false;
      unfolded.value = new Set([...unfolded.value, it.id]);
      return true;
    },
    fold(card: number): boolean {
      const parent = placed.value?.folded.cards[card]?.parent;
      if (parent === undefined) return false;
      unfolded.value = without(unfolded.value, parent);
      return true;
    },
    /** Moves the selection along the graph; true when it moved. Without a selection: to the first card. */
    move(direction: Direction): boolean {
      if (!placed.value || placed.value.folded.cards.length === 0) return false;
      const from = current.value;
      const to =
        from === undefined ? 0 : neighbourTowards(placed.value.neighbours, placed.value.layout, from, direction);
      if (to === undefined) return false;
      select(to);
      return true;
    },
    /** Selects the next (1) or previous (−1) node found, around the end. */
    step(by: 1 | -1): void {
      const list = found.value;
      if (list.length === 0) return;
      const at = list.indexOf(selection.value ?? "");
      selection.value = list[at === -1 ? (by === 1 ? 0 : list.length - 1) : (at + by + list.length) % list.length];
    },
    toggleBin(bin: number): void {
      const next = new Set(hidden.value);
      if (!next.delete(bin)) next.add(bin);
      hidden.value = next;
    },
    dispose(): void {
      stopLayout();
      stopFilter();
    },
  };
}
