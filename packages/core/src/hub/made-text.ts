import { createRandom } from "../math/index.js";

/** Words of a text that stands in for one that nobody gave. */
const WORDS = { least: 4, most: 32 };

/**
 * Texts of random words out of a tokenizer's vocabulary (the `tokenizer.json` of Hugging Face): pieces that begin a word, no special
 * tokens. They say what a network makes of its tokens, not of its language.
 */
export function madeText(tokenizer: unknown, count: number, seed: number): string[] {
  const words = vocabularyOf(tokenizer);
  if (words.length === 0) return [];
  return Array.from({ length: count }, (_, index) => {
    const random = createRandom(seed, index);
    const length = WORDS.least + Math.floor(random.uniform() * (WORDS.most - WORDS.least + 1));
    return Array.from({ length }, () => words[Math.floor(random.uniform() * words.length)]!).join(" ");
  });
}

function vocabularyOf(tokenizer: unknown): string[] {
  const { model } = (tokenizer ?? {}) as { model?: { vocab?: unknown } };
  const vocab = model?.vocab;
  // Unigram keeps pairs of piece and score, all others an object of pieces.
  const pieces = Array.isArray(vocab) ? vocab.map((pair) => String((pair as unknown[])[0])) : Object.keys(vocab ?? {});
  const marked = pieces.some((piece) => /^[▁Ġ]/u.test(piece));
  return pieces.flatMap((piece) => {
    const isStart = marked ? /^[▁Ġ]\p{L}{2,}$/u.test(piece) : /^\p{L}{2,}$/u.test(piece);
    return isStart ? [piece.replace(/^[▁Ġ]/u, "")] : [];
  });
}
