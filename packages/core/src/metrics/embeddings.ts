import { cosine, topK } from "../math/index.js";

/** The k others of every vector that are nearest by cosine, nearest first; the earlier one among equals. */
export function nearestOthers(vectors: readonly ArrayLike<number>[], k: number): number[][] {
  return vectors.map((own, index) => {
    const similar = vectors.map((other, at) => (at === index ? Number.NEGATIVE_INFINITY : cosine(own, other)));
    return topK(similar, Math.min(k, vectors.length - 1));
  });
}

/** Share of neighbours kept: of the k nearest others in `truth`, those among the k nearest in `found`. */
export function neighboursKept(
  truth: readonly ArrayLike<number>[],
  found: readonly ArrayLike<number>[],
  k: number,
): number {
  const [before, after] = [nearestOthers(truth, k), nearestOthers(found, k)];
  let kept = 0;
  let total = 0;
  before.forEach((others, i) => {
    kept += others.filter((other) => after[i]!.includes(other)).length;
    total += others.length;
  });
  return kept / total;
}

/** Share of queries that have one of their right answers among the k best; `scores[q][d]` is query q's score of document d. */
export function recallAt(
  scores: readonly ArrayLike<number>[],
  right: readonly (readonly number[])[],
  k: number,
): number {
  const hits = scores.filter((own, query) => topK(own, k).some((document) => right[query]!.includes(document)));
  return hits.length / scores.length;
}
