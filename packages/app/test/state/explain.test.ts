import { describe, expect, test } from "vitest";
import { channelSpreads, explainWorst, noiseShare } from "../../src/state/explain.js";

const row = (layer: string, weights: number, activations: number | null, text?: string) =>
  ({
    layer,
    local: { weights, activations, both: Math.min(weights, activations ?? 300) - 1 },
    findings: text ? [{ kind: "x", text, amount: 1 }] : [],
  }) as never;
const facts = new Map([
  ["a", 2],
  ["b", 64.2],
]);
const validated = (drop: number, p: number) => ({ drop, mcNemar: { p }, agreement: 0.9, samples: 500 }) as never;

describe("the worst layer in words", () => {
  test("20 dB is noise of a tenth, 40 of a hundredth", () => {
    expect([noiseShare(20), noiseShare(40)]).toEqual([0.1, 0.01]);
  });

  test("plain rounding that harms nothing", () => {
    const found = explainWorst([row("b", 60, 61), row("a", 41, 48)], facts, true, validated(0, 1))!;
    expect(found).toMatchObject({ layer: "a", tone: "fine", uneven: false });
    expect(found.what).toBe("rounding it adds noise of 1.0 % of its signal (40.0 dB by itself)");
    expect(found.why).toBe(
      "mostly the rounding of its weights (weights 41.0 dB, output 48.0 dB). No channel stands out, so this is plain rounding.",
    );
    expect(found.matters).toBe("No harm shows: same answer as the float network on 90.00 % of 500 images.");
  });

  test("a channel that is too wide, and accuracy that is lost", () => {
    const found = explainWorst([row("b", 7, 8, "5 of 16 channels all zero")], facts, true, validated(0.12, 0.0001))!;
    expect(found).toMatchObject({ tone: "loss", uneven: true });
    expect(found.why).toContain(
      "5 of 16 channels all zero. The rounding of its weights and of its output, about alike",
    );
    expect(found.why).toContain(
      "Its widest channel is 64 times the narrowest, and all share one scale: the narrow ones keep 6 bits less.",
    );
    expect(explainWorst([row("b", 7, 8)], new Map([["b", 500]]), true, undefined)!.why).toContain(
      "little or nothing is left",
    );
    expect(found.matters).toBe("Yes: the network loses 12.00 points of accuracy (p < 0.001).");
    expect(explainWorst([row("b", 7, 8)], facts, false, undefined)!.uneven, "scales of their own").toBe(false);
  });

  test("spread is that of the weights that were quantized: after equalization where there was one", () => {
    const state = (min: number[], max: number[]) => ({
      channels: { min, max, q1: [], median: [], q3: [] },
      encoding: null,
    });
    const before = state([-1, -0.01, 0], [0.5, 0.02, 0]);
    const weights = [
      { layer: "a", opType: "Conv", before, after: state([-1, -0.5, 0], [0.5, 0.2, 0]) },
      { layer: "b", opType: "Conv", before, after: null },
    ];
    expect(channelSpreads(weights as never)).toEqual(
      new Map([
        ["a", 2],
        ["b", 50],
      ]),
    );
    expect(channelSpreads(undefined).size).toBe(0);
  });

  test("a layer whose output stays in float; nothing measured", () => {
    expect(explainWorst([row("a", 30, null)], facts, true, undefined)!.why).toContain(
      "the rounding of its weights (30.0 dB)",
    );
    expect(explainWorst([], facts, true, undefined)).toBeUndefined();
  });
});
