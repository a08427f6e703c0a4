import { expect, test } from "vitest";
import { attempt, corpusOf, kindsOf } from "../fuzz/kinds.js";

/** Every file that once made a crash, a hang or an invalid graph, again. `npm run fuzz` damages them further. */
const kinds = kindsOf(process.cwd());

test.each(kinds.map((kind) => [kind.name, kind] as const))("%s that made trouble once", async (name, kind) => {
  const failures: string[] = [];
  for (const [file, bytes] of corpusOf(process.cwd(), name)) {
    const error = await attempt(kind, bytes);
    if (error) failures.push(`${file}: ${error instanceof Error ? error.stack : error}`);
  }
  expect(failures).toEqual([]);
});
