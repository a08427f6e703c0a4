import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyFactors, powerOfTwoFactors } from "../../src/equalize/index.js";
import { cloneModel } from "../../src/graph/index.js";
import { linearLayers } from "../../src/operators/index.js";
import { randomFeeds } from "./feeds.js";
import { classesOf, drift, outputsOf, randomFactors } from "./helpers.js";
import { BLOCKS, randomNetwork } from "./random-network.js";

async function scaledOutputs(seed: number, blocks?: readonly string[], powerOfTwo = false) {
  const { model } = randomNetwork(seed, blocks);
  const feeds = randomFeeds(model, seed + 1, 2);
  const before = await outputsOf(model, feeds);
  const scaled = cloneModel(model);
  const classes = await classesOf(scaled);
  const random = randomFactors(classes, seed + 2);
  const factors = powerOfTwo ? powerOfTwoFactors(random) : random;
  const applied = applyFactors(scaled, classes, factors);
  const weights = new Map(
    linearLayers(model.graph).map(({ node, tensor }) => [node.name, Buffer.from(tensor.bytes())]),
  );
  // What a gate became is a layer of its own.
  const changed = linearLayers(scaled.graph).filter(
    ({ node, tensor }) => weights.get(node.name)?.equals(Buffer.from(tensor.bytes())) === false,
  );
  const after = await outputsOf(scaled, feeds);
  return { before, after, applied, changed: changed.length, classes };
}

describe("any factors leave the function of the network as it is", () => {
  for (const block of Object.keys(BLOCKS)) {
    it(`through ${block}`, async () => {
      const { before, after, changed, applied } = await scaledOutputs(11, [block]);
      expect(applied.modified).toBe(true);
      expect(changed).toBeGreaterThan(0);
      expect(drift(before, after)).toBeLessThan(1e-5);
    });
  }

  it("through random networks", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 1e6 }), async (seed) => {
        const { before, after, changed } = await scaledOutputs(seed);
        expect(changed).toBeGreaterThan(0);
        expect(drift(before, after)).toBeLessThan(1e-4);
      }),
      { numRuns: 40, seed: 20260101 },
    );
  });

  it("bit for bit where all factors are powers of two and no bound is in the way", async () => {
    const { before, after } = await scaledOutputs(5, ["convRelu", "residual", "depthwise", "concat"], true);
    expect(after).toEqual(before);
  });
});
