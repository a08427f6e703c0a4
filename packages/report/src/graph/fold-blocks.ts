/** A run of occurrences of one block: `count` times `length` items from `start`, one after the other. */
export interface Run {
  readonly start: number;
  readonly length: number;
  readonly count: number;
}

/** Longest block that is looked for, in items. Search time is O(items × length). */
const MAX_BLOCK = 256;

/**
 * Tandem repeats of a topologically ordered graph: ranges that repeat at once, with the same labels connected in the
 * same way. An item's signature is its label and how far back each of its producers is, so that an equal stretch of
 * signatures is an isomorphic sub-graph (edges that enter the block from far before it must come from the same place,
 * and are compared as such).
 *
 * Greedy from the left: at each item the period that covers most; among equal ones the shortest. Contracting a range
 * of a topological order never makes a cycle.
 */
export function findRuns(labels: readonly string[], producers: readonly (readonly number[])[]): Run[] {
  const total = labels.length;
  const numbers = new Map<string, number>();
  const label = Int32Array.from(labels, (text) => {
    if (!numbers.has(text)) numbers.set(text, numbers.size);
    return numbers.get(text)!;
  });
  /** Same label, and producers either at the same distance or the very same item from before both occurrences. */
  const alike = (i: number, j: number): boolean => {
    if (label[i] !== label[j] || producers[i]!.length !== producers[j]!.length) return false;
    const period = j - i;
    return producers[i]!.every((producer, k) => {
      const other = producers[j]![k]!;
      return other - producer === period || other === producer;
    });
  };
  const runs: Run[] = [];
  let start = 0;
  while (start < total) {
    let best: Run | undefined;
    for (let length = 2; length <= Math.min(MAX_BLOCK, (total - start) >> 1); length++) {
      let end = start + length;
      while (end < total && alike(end - length, end)) end++;
      const count = Math.floor((end - start) / length);
      if (count > 1 && count * length > (best ? best.count * best.length : 0)) best = { start, length, count };
    }
    if (best) runs.push(best);
    start += best ? best.length * best.count : 1;
  }
  return runs;
}
