import type { ArraySource } from "../../src/data/array-source.js";

/** All elements of a source, sample by sample. */
export async function readAllValues(source: ArraySource): Promise<number[]> {
  const values: number[] = [];
  for (let i = 0; i < source.shape[0]!; i++) values.push(...Array.from(await source.sample(i)));
  return values;
}
