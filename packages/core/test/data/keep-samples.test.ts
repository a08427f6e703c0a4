import { expect, test } from "vitest";
import { type Dataset, keepSamples, subset } from "../../src/data/index.js";

function counted(length: number): { dataset: Dataset; reads: number[] } {
  const reads = new Array<number>(length).fill(0);
  const dataset: Dataset = {
    length,
    shape: [2, 3],
    async fill(index, out, offset) {
      reads[index]!++;
      for (let k = 0; k < 6; k++) out[offset + k] = 10 * index + k;
    },
    label: (index) => index % 2,
    id: (index) => `sample ${index}`,
    classNames: ["even", "odd"],
    random: true,
  };
  return { dataset, reads };
}

async function readAll(dataset: Dataset): Promise<Float32Array> {
  const out = new Float32Array(dataset.length * 6 + 1).fill(-1);
  for (let index = 0; index < dataset.length; index++) await dataset.fill(index, out, 1 + index * 6);
  return out;
}

test("samples are read once while they fit, and are the same", async () => {
  const { dataset, reads } = counted(5);
  const kept = keepSamples(dataset, 3 * 24 + 23);
  const expected = await readAll(counted(5).dataset);
  for (let pass = 0; pass < 3; pass++) expect(await readAll(kept)).toEqual(expected);
  expect(reads).toEqual([1, 1, 1, 3, 3]);
});

test("what the caller does to a sample does not come back", async () => {
  const { dataset } = counted(1);
  const kept = keepSamples(dataset);
  const out = new Float32Array(6);
  await kept.fill(0, out, 0);
  out.fill(99);
  await kept.fill(0, out, 0);
  expect([...out]).toEqual([0, 1, 2, 3, 4, 5]);
});

test("labels, names and marks carry over, and a sample that fails is asked for again", async () => {
  const { dataset } = counted(2);
  let fails = true;
  const kept = keepSamples({
    ...dataset,
    fill: (index, out, offset) => (fails ? Promise.reject(new Error("unreadable")) : dataset.fill(index, out, offset)),
  });
  expect([kept.length, kept.id(1), kept.label?.(1), kept.classNames, kept.random]).toEqual([
    2,
    "sample 1",
    1,
    ["even", "odd"],
    true,
  ]);
  await expect(kept.fill(0, new Float32Array(6), 0)).rejects.toThrow("unreadable");
  fails = false;
  const out = new Float32Array(6);
  await kept.fill(0, out, 0);
  expect(out[5]).toBe(5);
});

test("samples that are kept already are not kept once more, nor are parts of them", () => {
  const kept = keepSamples(counted(4).dataset);
  expect(keepSamples(kept)).toBe(kept);
  const part = subset(kept, [1, 3]);
  expect(keepSamples(part)).toBe(part);
});
