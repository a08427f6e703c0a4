import type { FoldedGraph, GraphLayout } from "@equant/report/graph";
import { layoutLongestPath } from "@equant/report/graph";
import type { LayoutMessage } from "./layout-worker.js";

/** The part of Worker that the layout needs. */
export interface LayoutWorker {
  onmessage: ((event: MessageEvent<LayoutMessage>) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
  postMessage(message: unknown): void;
  terminate(): void;
}

export interface LayoutOptions {
  /** Ends the worker at once; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** After this the longest-path layout is taken. Default: 3000 ms. */
  readonly timeLimitMs?: number;
  /** Makes the worker; undefined where there is none. Default: the bundled layout worker. */
  readonly createWorker?: () => LayoutWorker | undefined;
  /** Positions by structure. Default: one cache for the page, of the last 16 structures. */
  readonly cache?: Map<string, GraphLayout>;
}

const LAYOUT_DEFAULTS = { timeLimitMs: 3000 } as const satisfies LayoutOptions;

const CACHED = 16;
const shared = new Map<string, GraphLayout>();

function bundledWorker(): LayoutWorker | undefined {
  if (typeof Worker === "undefined") return undefined;
  return new Worker(new URL("./layout-worker.ts", import.meta.url), { type: "module" });
}

/**
 * Positions of the cards: the layered layout of the worker, or the longest-path layout where it takes longer than the
 * limit or the worker fails. Equal structures give equal positions, from the cache where they were seen before.
 * @throws the signal's reason when it is aborted.
 */
export async function layoutGraph(folded: FoldedGraph, options: LayoutOptions = {}): Promise<GraphLayout> {
  const { signal, timeLimitMs = LAYOUT_DEFAULTS.timeLimitMs, createWorker = bundledWorker, cache = shared } = options;
  signal?.throwIfAborted();
  const known = cache.get(folded.hash);
  if (known) return known;
  const structure = { count: folded.cards.length, edges: folded.edges };
  const worker = safely(createWorker);
  const layout = worker ? await inWorker(worker, structure, timeLimitMs, signal) : undefined;
  const result = layout ?? layoutLongestPath(structure);
  cache.set(folded.hash, result);
  if (cache.size > CACHED) cache.delete(cache.keys().next().value!);
  return result;
}

function safely(createWorker: () => LayoutWorker | undefined): LayoutWorker | undefined {
  try {
    return createWorker();
  } catch {
    return undefined;
  }
}

/** The best layout that the worker gave in time. */
function inWorker(
  worker: LayoutWorker,
  structure: unknown,
  timeLimitMs: number,
  signal: AbortSignal | undefined,
): Promise<GraphLayout | undefined> {
  return new Promise((resolve, reject) => {
    let quick: GraphLayout | undefined;
    const stop = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      worker.terminate();
    };
    const finish = (layout: GraphLayout | undefined) => {
      stop();
      resolve(layout);
    };
    const abort = () => {
      stop();
      reject(signal!.reason);
    };
    const timer = setTimeout(() => finish(quick), timeLimitMs);
    signal?.addEventListener("abort", abort, { once: true });
    worker.onmessage = ({ data }) => {
      if (data.final) finish(data.layout);
      else quick = data.layout;
    };
    worker.onerror = () => finish(quick);
    worker.postMessage(structure);
  });
}
