import { createRandom, type Random } from "../packages/core/src/math/random.js";

/** Values that readers trip over. */
const VALUES = [
  ..."null true false 0 -1 1e308 -1e308 1e999 0.5 9007199254740993 [] {} [[]] [null]".split(" "),
  ...["", "a", "__proto__", "constructor", "toString", "../../x", "\u001b[31m\n", "NaN", "x".repeat(5000)].map((text) =>
    JSON.stringify(text),
  ),
];
const KEYS = ["__proto__", "constructor", "toString", "hasOwnProperty", "", "use", "length"];

const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!;

/** JSON with some values and keys replaced, doubled or cut off: most stay JSON. */
export function mutatedText(files: readonly Uint8Array[], seed: number, index: number): Uint8Array {
  const random = createRandom(seed, index);
  let text = new TextDecoder().decode(pick(random, files));
  for (let count = 1 + random.below(3); count > 0; count--) {
    const tokens = [...text.matchAll(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[{}[\],:]/g)];
    const token = tokens.length === 0 ? undefined : pick(random, tokens);
    if (!token) break;
    const [at, end] = [token.index, token.index + token[0].length];
    const isKey = token[0].startsWith('"') && text[end] === ":";
    const by = random.uniform();
    if (by < 0.05) text = text.slice(0, at);
    else if (by < 0.15) text = text.slice(0, at) + text.slice(end);
    else if (by < 0.25) text = text.slice(0, end) + text.slice(at);
    else
      text = text.slice(0, at) + (isKey ? JSON.stringify(pick(random, KEYS)) : pick(random, VALUES)) + text.slice(end);
  }
  return new TextEncoder().encode(text);
}
