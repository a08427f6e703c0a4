import { foldGraph, type GraphLayout, layoutLayered, layoutLongestPath, type Structure } from "@equant/report/graph";
import { expect, test, vi } from "vitest";
import { mobileNet, transformer } from "../../../report/test/graph/networks.js";
import { type LayoutWorker, layoutGraph } from "../../src/graph-view/layout-graph.js";
import { neighboursOf } from "../../src/graph-view/trace.js";
import { neighbourTowards } from "../../src/graph-view/walk.js";

const structureOf = (folded: ReturnType<typeof foldGraph>): Structure => ({
  count: folded.cards.length,
  edges: folded.edges,
});

/** A worker that answers as told. */
function fakeWorker(act: (worker: LayoutWorker) => void): LayoutWorker & { terminate: ReturnType<typeof vi.fn> } {
  const worker = {
    onmessage: null,
    onerror: null,
    terminate: vi.fn(),
    postMessage: () => act(worker),
  } as unknown as LayoutWorker & { terminate: ReturnType<typeof vi.fn> };
  return worker;
}
const folded = foldGraph(mobileNet());
const quick = layoutLongestPath(structureOf(folded));
const answer = (worker: LayoutWorker, final: boolean, layout: GraphLayout) =>
  worker.onmessage!({ data: { final, layout } } as never);

test("takes the quick layout at the time limit, and ends the worker", async () => {
  const slow = fakeWorker((worker) => answer(worker, false, quick));
  const cache = new Map<string, GraphLayout>();
  expect(await layoutGraph(folded, { createWorker: () => slow, timeLimitMs: 20, cache })).toBe(quick);
  expect(slow.terminate).toHaveBeenCalledOnce();
});

test("lays out by itself when the worker says nothing, fails, or cannot be made", async () => {
  for (const createWorker of [
    () => fakeWorker(() => {}),
    () => fakeWorker((worker) => worker.onerror!({} as never)),
    () => undefined,
    () => {
      throw new Error("blocked by policy");
    },
  ]) {
    const layout = await layoutGraph(folded, { createWorker, timeLimitMs: 10, cache: new Map() });
    expect(layout.method).toBe("longest-path");
    expect([...layout.x]).toEqual([...quick.x]);
  }
});

test("abort ends the worker at once and rejects with the reason", async () => {
  const silent = fakeWorker(() => {});
  const abort = new AbortController();
  const pending = layoutGraph(folded, { createWorker: () => silent, signal: abort.signal, cache: new Map() });
  abort.abort(new Error("new graph"));
  await expect(pending).rejects.toThrow("new graph");
  expect(silent.terminate).toHaveBeenCalledOnce();
  await expect(layoutGraph(folded, { signal: abort.signal })).rejects.toThrow("new graph");
});

test("asks the worker once for a structure", async () => {
  const cache = new Map<string, GraphLayout>();
  const createWorker = vi.fn(() => fakeWorker((worker) => answer(worker, true, quick)));
  const first = await layoutGraph(folded, { createWorker, cache });
  // The same network quantized has the same structure of cards.
  expect(await layoutGraph(foldGraph(mobileNet({ qdq: true })), { createWorker, cache })).toBe(first);
  expect(createWorker).toHaveBeenCalledOnce();
});

test("arrows lead along edges and layers, and back", () => {
  const graph = foldGraph(transformer(2), { level: "chains" });
  const layout = layoutLayered(structureOf(graph));
  const neighbours = neighboursOf(graph);
  graph.cards.forEach((_, card) => {
    const down = neighbourTowards(neighbours, layout, card, "consumer");
    if (down === undefined) expect(neighbours.consumers[card]).toEqual([]);
    else expect(neighbours.producers[down]).toContain(card);
    const right = neighbourTowards(neighbours, layout, card, "right");
    if (right !== undefined) expect(neighbourTowards(neighbours, layout, right, "left")).toBe(card);
  });
});
