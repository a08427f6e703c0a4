import { foldGraph, type GraphSummary, type Overlay } from "@equant/report/graph";
import { type Signal, signal } from "@preact/signals";
import { mobileNet, randomNetwork, transformer } from "../../../../report/test/graph/networks.js";
import { layoutGraph, type MountedGraphView, mountGraphView } from "../../../src/graph-view/index.js";

/** What the test asks of the page. */
export interface GraphPage {
  graph: Signal<GraphSummary>;
  selection: Signal<string | undefined>;
  overlay: Signal<Overlay>;
  view: MountedGraphView;
  networks: { mobileNet: typeof mobileNet; randomNetwork: typeof randomNetwork; transformer: typeof transformer };
  /** Layout of a graph with nothing folded in a fresh worker: cards, time in ms, and the method. */
  timeLayout(graph: GraphSummary, timeLimitMs?: number): Promise<{ cards: number; ms: number; method: string }>;
}

declare global {
  interface Window {
    graphPage: GraphPage;
  }
}

const graph = signal<GraphSummary>(mobileNet({ batchNorm: true }));
const selection = signal<string | undefined>(undefined);
const overlay = signal<Overlay>({ metric: "none" });
window.graphPage = {
  graph,
  selection,
  overlay,
  view: mountGraphView(document.querySelector<HTMLElement>("#host")!, { graph, selection, overlay }),
  networks: { mobileNet, randomNetwork, transformer },
  async timeLayout(summary, timeLimitMs = 3000) {
    const folded = foldGraph(summary, { level: "nodes" });
    const started = performance.now();
    const { method } = await layoutGraph(folded, { cache: new Map(), timeLimitMs });
    return { cards: folded.cards.length, ms: performance.now() - started, method };
  },
};
