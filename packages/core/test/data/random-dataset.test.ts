import { describe, expect, it } from "vitest";
import { subset } from "../../src/data/dataset.js";
import { randomDataset, randomRange } from "../../src/data/random-dataset.js";
import { failureOf, sampleOf } from "./helpers.js";

describe("randomDataset", () => {
  it("is marked, repeats for a seed, and does not depend on the order of reading", async () => {
    const data = randomDataset([2, 3], 4, 7);
    expect(data).toMatchObject({ length: 4, shape: [2, 3], random: true });
    expect(subset(data, [1]).random).toBe(true);
    const backward = [await sampleOf(data, 3), await sampleOf(data, 0)];
    expect(await sampleOf(randomDataset([2, 3], 4, 7), 0)).toEqual(backward[1]);
    expect(await sampleOf(randomDataset([2, 3], 99, 7), 3)).toEqual(backward[0]);
    expect(backward[0]).not.toEqual(backward[1]);
    expect(await sampleOf(randomDataset([2, 3], 4, 8), 0)).not.toEqual(backward[1]);
  });

  it("fills its range evenly", async () => {
    const values = await sampleOf(randomDataset([10_000], 1, 1, { min: -2, max: 6 }), 0);
    expect(values.every((x) => x >= -2 && x <= 6)).toBe(true);
    const counts = new Array<number>(8).fill(0);
    for (const x of values) counts[Math.min(7, Math.floor(x + 2))]!++;
    // χ² with 7 degrees of freedom: 24.3 has p = 0.001.
    expect(counts.reduce((sum, count) => sum + (count - 1250) ** 2 / 1250, 0)).toBeLessThan(24.3);
  });

  it("covers what the preset makes of pixels", () => {
    const image = { shape: [3, 4, 4] };
    expect(randomRange(image, { preset: "tf" })).toEqual({ min: -1, max: 1 });
    const { min, max } = randomRange(image, { preset: "imagenet" });
    expect([min, max]).toEqual([-123.675 / 58.395, (255 - 103.53) / 57.375]);
    expect(randomRange({ shape: [640] }, { preset: "tf" })).toEqual({ min: 0, max: 1 });
  });

  it.each([
    [0, 1, {}],
    [1.5, 1, {}],
    [1, 0.5, {}],
    [1, 1, { min: 2, max: 2 }],
    [1, 1, { max: Number.POSITIVE_INFINITY }],
  ])("refuses samples %d, seed %d, range %j", async (samples, seed, range) => {
    expect((await failureOf(() => randomDataset([1], samples, seed, range))).code).toBe("E2002");
  });
});
