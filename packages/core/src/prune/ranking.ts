/** Importance of every element of every parameter: the parameter's order of elements, higher is more important. */
export type Scores = ReadonlyMap<string, Float64Array>;

/** 1 keeps, 0 removes: one entry an element of the parameter. */
export type MaskArrays = ReadonlyMap<string, Float32Array>;

/**
 * Keeps what scores above the threshold (MathWorks' pruning page): the threshold is the round(sparsity·n)-th smallest of all n scores,
 * 0 where that is none, and mask = score > threshold. Distinct scores give exactly round(sparsity·n) zeros; equal ones
 * go together.
 *
 * @param groups Names of parameters that compete with each other: all in one group, or one group a layer.
 */
export function thresholdMasks(
  scores: Scores,
  sparsity: number,
  groups: readonly (readonly string[])[],
): Map<string, Float32Array> {
  const masks = new Map<string, Float32Array>();
  for (const names of groups) {
    const lists = names.map((name) => scores.get(name)!);
    const total = lists.reduce((sum, { length }) => sum + length, 0);
    const k = roundHalfUp(sparsity * total);
    const threshold = k === 0 ? 0 : thresholdOf(lists, total, k);
    names.forEach((name, i) => {
      const own = lists[i]!;
      const mask = new Float32Array(own.length);
      for (let j = 0; j < own.length; j++) mask[j] = own[j]! > threshold ? 1 : 0;
      masks.set(name, mask);
    });
  }
  return masks;
}

/** Half up, as MATLAB rounds positive numbers. */
export function roundHalfUp(value: number): number {
  return Math.floor(value + 0.5);
}

/** The k-th smallest of non-negative scores. Zeros, most of them pruned before, are counted and not sorted. */
function thresholdOf(lists: readonly Float64Array[], total: number, k: number): number {
  const positive = new Float64Array(total);
  let count = 0;
  for (const list of lists) {
    for (let i = 0; i < list.length; i++) {
      const value = list[i]!;
      if (value !== 0) positive[count++] = value;
    }
  }
  const zeros = total - count;
  return k <= zeros ? 0 : kthSmallest(positive.subarray(0, count), k - zeros);
}

/** The k-th smallest value (k from 1), by quickselect with the median of three. Reorders `values`. */
export function kthSmallest(values: Float64Array, k: number): number {
  let low = 0;
  let high = values.length - 1;
  const goal = k - 1;
  while (low < high) {
    const pivot = medianOfThree(values[low]!, values[(low + high) >>> 1]!, values[high]!);
    let i = low;
    let j = high;
    // Hoare's partition stops at equal values, so many ties (zeros of pruned weights) still split in halves.
    while (i <= j) {
      while (values[i]! < pivot) i++;
      while (values[j]! > pivot) j--;
      if (i > j) break;
      const swap = values[i]!;
      values[i] = values[j]!;
      values[j] = swap;
      i++;
      j--;
    }
    if (goal <= j) high = j;
    else if (goal >= i) low = i;
    else return values[goal]!;
  }
  return values[goal]!;
}

function medianOfThree(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
