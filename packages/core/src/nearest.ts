import { distance } from "fastest-levenshtein";

/** How many edits still count as a typing error: two fifths of the word, at least one. */
function tolerance(word: string): number {
  return Math.max(1, Math.floor(word.length * 0.4));
}

/** The candidates closest to `word` by edit distance, best first; empty when none is close. */
export function nearest(word: string, candidates: Iterable<string>, count = 3): string[] {
  const lower = word.toLowerCase();
  const scored: { name: string; score: number }[] = [];
  for (const name of candidates) {
    const score = distance(lower, name.toLowerCase());
    if (score <= tolerance(word)) scored.push({ name, score });
  }
  scored.sort((a, b) => a.score - b.score || (a.name < b.name ? -1 : 1));
  return scored.slice(0, count).map((entry) => entry.name);
}

/** `did you mean 'int8'?`, or undefined when nothing is close. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const [best] = nearest(word, candidates, 1);
  return best === undefined ? undefined : `did you mean '${best}'?`;
}
