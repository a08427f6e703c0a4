import { argmax } from "../math/index.js";

/** Least number of insertions, deletions and substitutions that turn one sequence into the other (Levenshtein 1966). */
export function editDistance<T>(from: ArrayLike<T>, to: ArrayLike<T>): number {
  const row = Uint32Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    let diagonal = row[0]!;
    row[0] = i;
    for (let j = 1; j <= to.length; j++) {
      const above = row[j]!;
      row[j] = Math.min(above + 1, row[j - 1]! + 1, diagonal + (from[i - 1] === to[j - 1] ? 0 : 1));
      diagonal = above;
    }
  }
  return row[to.length]!;
}

/** Errors against true texts; rates may exceed 1 where more is found than there is. NaN without a true symbol. */
export interface TextScore {
  /** Edits of characters (Unicode code points) over true characters. */
  readonly characterErrorRate: number;
  /** Edits of words over true words. */
  readonly wordErrorRate: number;
  /** Share of texts without an error. */
  readonly exactMatch: number;
}

/** Character and word error rate over all texts together, as they are: case and punctuation count. */
export function textScore(truth: readonly string[], found: readonly string[]): TextScore {
  if (truth.length !== found.length) throw new RangeError(`textScore: ${truth.length} and ${found.length} texts`);
  const rate = (symbols: (text: string) => readonly string[]) => {
    let edits = 0;
    let length = 0;
    truth.forEach((text, i) => {
      edits += editDistance(symbols(text), symbols(found[i]!));
      length += symbols(text).length;
    });
    return edits / length;
  };
  return {
    characterErrorRate: rate((text) => [...text]),
    wordErrorRate: rate((text) => text.split(/\s+/).filter((word) => word !== "")),
    exactMatch: truth.filter((text, i) => text === found[i]).length / truth.length,
  };
}

/** The best class of every step, repeats joined and blanks dropped (greedy decoding of connectionist temporal classification). */
export function ctcGreedy(scores: ArrayLike<number>, steps: number, classes: number, blank = 0): number[] {
  const result: number[] = [];
  let before = blank;
  for (let step = 0; step < steps; step++) {
    const best = argmax(scores, step * classes, (step + 1) * classes);
    if (best !== blank && best !== before) result.push(best);
    before = best;
  }
  return result;
}
