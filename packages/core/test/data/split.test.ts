import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Dataset } from "../../src/data/dataset.js";
import { shuffled, splitByClass, spread } from "../../src/data/split.js";
import { failureOf, idsOf, labelsOf } from "./helpers.js";

function labelled(labels: readonly number[] | undefined, length = labels?.length ?? 0): Dataset {
  return {
    length,
    shape: [1],
    fill: (index, out, offset) => {
      out[offset] = index;
    },
    id: String,
    ...(labels && { label: (index: number) => labels[index]! }),
  };
}

const sorted = (dataset: Dataset) => idsOf(dataset).map(Number);

describe("spread", () => {
  it("takes index floor(i·length/n), and so every class alike in an ordered dataset", () => {
    const tens = labelled(Array.from({ length: 1000 }, (_, i) => Math.floor(i / 100)));
    const some = spread(tens, 100);
    expect(sorted(some)).toEqual(Array.from({ length: 100 }, (_, i) => i * 10));
    const counts = labelsOf(some).reduce((map, label) => map.set(label, (map.get(label) ?? 0) + 1), new Map());
    expect([...counts.values()]).toEqual(new Array(10).fill(10));
    expect(sorted(spread(labelled(undefined, 7), 3))).toEqual([0, 2, 4]);
  });

  it("gives all samples when there are no more", () => {
    expect(sorted(spread(labelled(undefined, 3), 5))).toEqual([0, 1, 2]);
  });

  it("never repeats a sample (property)", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 300 }), (length, n) => {
        const picked = sorted(spread(labelled(undefined, length), n));
        return new Set(picked).size === Math.min(n, length) && picked.every((v, i) => i === 0 || v > picked[i - 1]!);
      }),
      { seed: 1 },
    );
  });

  it.each([0, -1, 1.5, Number.NaN])("refuses %d samples", async (n) => {
    expect((await failureOf(() => spread(labelled(undefined, 9), n))).code).toBe("E2002");
  });
});

describe("splitByClass", () => {
  it("splits every class in proportion, rounding per class, and loses nothing (property)", () => {
    const labels = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 120 });
    const fraction = fc.constantFrom(0.7, 0.75, 0.1, 0.5);
    fc.assert(
      fc.property(labels, fraction, fc.integer(), (classes, share, seed) => {
        const [first, second] = splitByClass(labelled(classes), share, seed);
        const all = [...sorted(first), ...sorted(second)].sort((a, b) => a - b);
        expect(all).toEqual(classes.map((_, i) => i));
        const rounded = [...new Set(classes)].map((label) =>
          Math.floor(share * classes.filter((c) => c === label).length + 0.5),
        );
        const taken = rounded.reduce((sum, count) => sum + count, 0);
        // Else there is nothing to split by class.
        if (taken === 0 || taken === classes.length) return;
        for (const label of new Set(classes)) {
          const total = classes.filter((c) => c === label).length;
          const taken = labelsOf(first).filter((c) => c === label).length;
          expect(Math.abs(taken - share * total)).toBeLessThanOrEqual(0.5);
        }
      }),
      { seed: 2 },
    );
  });

  it("keeps the order of the dataset, repeats for a seed and differs for another", () => {
    const data = labelled(Array.from({ length: 200 }, (_, i) => i % 10));
    const [first] = splitByClass(data, 0.7, 1);
    expect(sorted(first)).toEqual([...sorted(first)].sort((a, b) => a - b));
    expect(sorted(splitByClass(data, 0.7, 1)[0])).toEqual(sorted(first));
    expect(sorted(splitByClass(data, 0.7, 2)[0])).not.toEqual(sorted(first));
  });

  it("draws at random: every sample is chosen at its share over many seeds", () => {
    const data = labelled([0, 0, 0, 0, 1, 1, 1, 1]);
    const counts = new Array<number>(8).fill(0);
    for (let seed = 0; seed < 400; seed++) for (const i of sorted(splitByClass(data, 0.5, seed)[0])) counts[i]!++;
    // 200 ± 4 standard deviations of a binomial(400, ½).
    for (const count of counts) expect(Math.abs(count - 200)).toBeLessThan(40);
  });

  it("splits the whole where every class has one sample", () => {
    const [first, second] = splitByClass(labelled(Array.from({ length: 100 }, (_, i) => i)), 0.3, 5);
    expect([first.length, second.length]).toEqual([30, 70]);
    expect([...sorted(first), ...sorted(second)].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 100 }, (_, i) => i),
    );
  });

  it("without labels is a plain split", () => {
    const [first, second] = splitByClass(labelled(undefined, 100), 0.1, 3);
    expect([first.length, second.length]).toEqual([10, 90]);
    expect(first.label).toBeUndefined();
  });

  it.each([0, 1, -0.1, 1.2, Number.NaN])("refuses the share %d", async (fraction) => {
    expect((await failureOf(() => splitByClass(labelled([0, 1]), fraction, 0))).code).toBe("E2002");
  });
});

describe("shuffled", () => {
  it("is a permutation that carries labels along", async () => {
    const data = labelled(Array.from({ length: 50 }, (_, i) => i % 3));
    const mixed = shuffled(data, 5);
    expect([...sorted(mixed)].sort((a, b) => a - b)).toEqual(sorted(data));
    expect(sorted(mixed)).not.toEqual(sorted(data));
    expect(labelsOf(mixed)).toEqual(sorted(mixed).map((i) => i % 3));
    const out = new Float32Array(1);
    await mixed.fill(7, out, 0);
    expect(out[0]).toBe(sorted(mixed)[7]);
  });
});
