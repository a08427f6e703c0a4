import type { FoldedGraph } from "@equant/report/graph";

export type TraceMode = "none" | "both" | "upstream" | "downstream";

/** Producers and consumers of every card. */
export interface Neighbours {
  readonly producers: readonly (readonly number[])[];
  readonly consumers: readonly (readonly number[])[];
}

export function neighboursOf({ cards, edges }: FoldedGraph): Neighbours {
  const producers: number[][] = cards.map(() => []);
  const consumers: number[][] = cards.map(() => []);
  for (const [from, to] of edges) {
    producers[to]!.push(from);
    consumers[from]!.push(to);
  }
  return { producers, consumers };
}

/** The card itself and everything that leads to it, comes from it, or both. */
export function tracePath(neighbours: Neighbours, start: number, mode: TraceMode): Set<number> {
  const found = new Set<number>([start]);
  const walk = (next: readonly (readonly number[])[]) => {
    const seen = new Set<number>([start]);
    const stack = [start];
    while (stack.length > 0) {
      for (const other of next[stack.pop()!]!) {
        if (seen.has(other)) continue;
        seen.add(other);
        found.add(other);
        stack.push(other);
      }
    }
  };
  if (mode === "both" || mode === "upstream") walk(neighbours.producers);
  if (mode === "both" || mode === "downstream") walk(neighbours.consumers);
  return found;
}
