import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { kthSmallest, OptionsError, pruneSchedule, thresholdMasks } from "../../src/lab.js";
import { linearLayers } from "../../src/operators/index.js";
import { parsePattern, patternMask, patternObstacle } from "../../src/prune/n-of-m.js";
import { testModel } from "../helpers/build.js";

const OPTIONS = { seed: 20, numRuns: 100 } as const;

describe("pruneSchedule", () => {
  it("is MathWorks' linspace(0, 0.9, 10)", () => {
    expect(pruneSchedule("linear", 0.9, 10).map((s) => Number(s.toFixed(12)))).toEqual([
      0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
    ]);
  });

  it("keeps the same share every time (SynFlow paper)", () => {
    const targets = pruneSchedule("exponential", 0.9, 5);
    const kept = [1, ...targets.map((s) => 1 - s)];
    for (let k = 1; k < kept.length; k++) expect(kept[k]! / kept[k - 1]!).toBeCloseTo(0.1 ** (1 / 5), 12);
    expect(targets.at(-1)).toBe(0.9);
  });

  it.each(["linear", "exponential"] as const)("%s of one step is one shot", (schedule) => {
    expect(pruneSchedule(schedule, 0.37, 1)).toEqual([0.37]);
  });

  it.each([
    [1, 10, "E2002"],
    [-0.1, 10, "E2002"],
    [Number.NaN, 10, "E2002"],
    [0.5, 0, "E2002"],
    [0.5, 1.5, "E2002"],
  ])("refuses sparsity %d in %d steps", (sparsity, steps, code) => {
    expect(() => pruneSchedule("linear", sparsity, steps)).toThrow(expect.objectContaining({ code }));
  });
});

describe("thresholdMasks", () => {
  it("finds the k-th smallest as sorting does", () => {
    const values = fc.array(fc.constantFrom(0, 0.5, 1, 2, 3.25, 1e-12, 7), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(values, fc.nat(), (list, at) => {
        const k = (at % list.length) + 1;
        expect(kthSmallest(Float64Array.from(list), k)).toBe([...list].sort((a, b) => a - b)[k - 1]);
      }),
      OPTIONS,
    );
  });

  it("follows MathWorks' rule, ties included", () => {
    const scores = fc.array(fc.constantFrom(0, 0, 0.1, 0.2, 0.3, 0.5, 0.8, 1.3), { minLength: 2, maxLength: 40 });
    fc.assert(
      fc.property(scores, fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(), (list, sparsity, cut) => {
        const at = cut % list.length;
        const parts = new Map([
          ["a", Float64Array.from(list.slice(0, at))],
          ["b", Float64Array.from(list.slice(at))],
        ]);
        const masks = thresholdMasks(parts, sparsity, [["a", "b"]]);
        // The rule as the seed writes it: sort, take element round(s·n), compare.
        const k = Math.round(sparsity * list.length);
        const threshold = k === 0 ? 0 : [...list].sort((a, b) => a - b)[k - 1]!;
        const expected = list.map((score) => (score > threshold ? 1 : 0));
        expect([...masks.get("a")!, ...masks.get("b")!]).toEqual(expected);
      }),
      OPTIONS,
    );
  });

  it("removes exactly round(s·n) of distinct scores, in the network or in every layer", () => {
    const a = Float64Array.from({ length: 30 }, (_, i) => i + 1);
    const b = Float64Array.from({ length: 10 }, (_, i) => 100 + i);
    const scores = new Map([
      ["a", a],
      ["b", b],
    ]);
    const zeros = (mask: Float32Array | undefined) => mask!.filter((keep) => keep === 0).length;
    const whole = thresholdMasks(scores, 0.5, [["a", "b"]]);
    expect([zeros(whole.get("a")), zeros(whole.get("b"))]).toEqual([20, 0]);
    const each = thresholdMasks(scores, 0.5, [["a"], ["b"]]);
    expect([zeros(each.get("a")), zeros(each.get("b"))]).toEqual([15, 5]);
  });
});

describe("N of M", () => {
  const layerOf = (opType: string, dims: number[], attributes = {}, input: (string | number)[] = ["N", 8, 5, 5]) => {
    const test = testModel(3);
    const data = test.builder.input("input", input);
    test.builder.output(test.builder.node(opType, [data, test.random(dims, "w")], attributes));
    return linearLayers(test.model.graph)[0]!;
  };
  const cases = [
    ["Conv", layerOf("Conv", [6, 8, 3, 3])],
    ["grouped Conv", layerOf("Conv", [6, 4, 3, 3], { group: { type: "int", value: 2 } })],
    ["ConvTranspose", layerOf("ConvTranspose", [8, 6, 2, 2])],
    ["Gemm", layerOf("Gemm", [8, 6], {}, ["N", 8])],
    ["Gemm transB", layerOf("Gemm", [6, 8], { transB: { type: "int", value: 1 } }, ["N", 8])],
    ["MatMul stack", layerOf("MatMul", [3, 8, 6], {}, [3, 5, 8])],
  ] as const;

  it.each(cases)("%s: of 4 input channels the two best stay, everywhere", (_name, layer) => {
    const scores = Float64Array.from(layer.tensor.array() as Float32Array, Math.abs);
    const mask = patternMask(layer, scores, 4, 2);
    const { dims } = layer.tensor;
    const strides = dims.map((_, axis) => dims.slice(axis + 1).reduce((a, b) => a * b, 1));
    const channels = dims[layer.inAxis]!;
    for (let flat = 0; flat < scores.length; flat++) {
      const at = Math.floor(flat / strides[layer.inAxis]!) % channels;
      if (at % 4 !== 0) continue;
      const block = [0, 1, 2, 3].map((k) => flat + k * strides[layer.inAxis]!);
      const best = [...block].sort((a, b) => scores[b]! - scores[a]!).slice(0, 2);
      expect(block.filter((own) => mask[own] === 1)).toEqual(best.sort((a, b) => a - b));
    }
    expect(mask.filter((keep) => keep === 0)).toHaveLength(scores.length / 2);
  });

  it("keeps the first of equal scores", () => {
    const layer = layerOf("Gemm", [8, 1], {}, ["N", 8]);
    expect([...patternMask(layer, new Float64Array(8).fill(1), 4, 2)]).toEqual([1, 1, 0, 0, 1, 1, 0, 0]);
  });

  it("says which layers cannot have it", () => {
    expect(patternObstacle(layerOf("Conv", [8, 1, 3, 3], { group: { type: "int", value: 8 } }), { n: 2, m: 4 })).toBe(
      "1 input channels a group are no multiple of 4",
    );
    expect(patternObstacle(cases[0][1], { n: 2, m: 4 })).toBeUndefined();
  });

  it.each(["4:2", "2:2", "0:4", "2-4", "weight"])("refuses %s", (text) => {
    expect(() => parsePattern(text)).toThrow(OptionsError);
  });
});
