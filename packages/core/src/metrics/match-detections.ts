/** How well each found object fits each true one, row by row: `found · truths` numbers from 0 to 1. */
export type Similarities = Float64Array;

/** Sizes that count, in pixels²: a true object outside is neither wanted nor held against anybody. */
export interface AreaRange {
  readonly least: number;
  readonly most: number;
}

/** The objects of one class in one image. */
export interface MatchInput {
  /** Found objects, best score first; at most as many as count. */
  readonly foundAreas: ArrayLike<number>;
  readonly truthAreas: ArrayLike<number>;
  /** Crowds: any number of found objects may match one, none is counted. */
  readonly crowd: ArrayLike<boolean | number>;
  /** True objects that are not counted whatever their size (crowds, difficult ones, no visible keypoint). */
  readonly ignored: ArrayLike<boolean | number>;
  readonly similarities: Similarities;
}

/** Verdicts on one image and class: for each threshold and found object {@link FALSE}, {@link TRUE} or {@link UNCOUNTED}. */
export interface Matches {
  /** Thresholds · found, row by row. */
  readonly verdicts: Uint8Array;
  /** True objects that count. */
  readonly wanted: number;
}

/** A found object that matches nothing. */
export const FALSE = 0;
/** A found object that matches a true one. */
export const TRUE = 1;
/** A found object that matches what does not count, or matches nothing and is not of the size that counts. */
export const UNCOUNTED = 2;

/**
 * COCO's greedy matching: from the best score down, each found object takes the most similar true one that is still
 * free, counted ones before uncounted ones, if it reaches the threshold; of equals the later one.
 */
export function matchDetections(input: MatchInput, thresholds: readonly number[], area: AreaRange): Matches {
  const { foundAreas, truthAreas, crowd, ignored, similarities } = input;
  const founds = foundAreas.length;
  const truths = truthAreas.length;
  const uncounted = new Uint8Array(truths);
  for (let t = 0; t < truths; t++) {
    const size = truthAreas[t]!;
    uncounted[t] = ignored[t] || size < area.least || size > area.most ? 1 : 0;
  }
  // Those that count come first, otherwise in their own order.
  const order = new Uint32Array(truths);
  let wanted = 0;
  for (let t = 0; t < truths; t++) if (uncounted[t] === 0) order[wanted++] = t;
  for (let t = 0, next = wanted; t < truths; t++) if (uncounted[t] === 1) order[next++] = t;

  const verdicts = new Uint8Array(thresholds.length * founds);
  const taken = new Uint8Array(truths);
  for (const [row, threshold] of thresholds.entries()) {
    taken.fill(0);
    for (let f = 0; f < founds; f++) {
      let best = Math.min(threshold, 1 - 1e-10);
      let match = -1;
      for (let i = 0; i < truths; i++) {
        const t = order[i]!;
        if (taken[t] === 1 && !crowd[t]) continue;
        if (match >= 0 && uncounted[match] === 0 && uncounted[t] === 1) break;
        const similarity = similarities[f * truths + t]!;
        if (similarity < best) continue;
        best = similarity;
        match = t;
      }
      if (match >= 0) {
        taken[match] = 1;
        verdicts[row * founds + f] = uncounted[match] === 1 ? UNCOUNTED : TRUE;
      } else if (foundAreas[f]! < area.least || foundAreas[f]! > area.most) {
        verdicts[row * founds + f] = UNCOUNTED;
      }
    }
  }
  return { verdicts, wanted };
}
