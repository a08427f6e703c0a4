import { afterEach, describe, expect, test, vi } from "vitest";
import { binCounter } from "../../src/math/bin-counter.js";
import { ValueHistogram } from "../../src/math/value-histogram.js";
import { wildFloats } from "./samples.js";

const bitsOf = (values: Float32Array) => new Int32Array(values.buffer, values.byteOffset, values.length);

describe("binCounter", () => {
  test.each([
    [0, 0],
    [0, 1],
    [3, 10],
    [1, 16384],
    [7, 16384 + 7],
    [5, 100_003],
  ])("[%i, %i): counts by the upper 13 bits, added to what was there", (from, to) => {
    const values = wildFloats(100_003, 3);
    const counts = new Float64Array(8192).fill(5);
    binCounter()!.count(bitsOf(values), from, to, counts);
    const expected = new Float64Array(8192).fill(5);
    for (let i = from; i < to; i++) expected[bitsOf(values)[i]! >>> 19]!++;
    expect(counts).toEqual(expected);
  });

  test("the counts of one call do not come back in the next", () => {
    const counts = new Float64Array(8192);
    binCounter()!.count(bitsOf(new Float32Array(5000).fill(1)), 0, 5000, new Float64Array(8192));
    binCounter()!.count(bitsOf(new Float32Array(11).fill(-2)), 0, 11, counts);
    expect([...counts.entries()].filter(([, n]) => n !== 0)).toEqual([[0xc0000000 >>> 19, 11]]);
  });

  test.each([
    ["nothing but zeros of both signs", [0, -0, 0], false],
    ["the smallest denormal", [1, 2 ** -149], true],
    ["just below 2⁻¹³⁰, negative", [-(2 ** -130 - 2 ** -149), 0], true],
    ["2⁻¹³⁰ itself", [2 ** -130, -(2 ** -130)], false],
    ["NaN and infinities", [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], false],
  ])("says whether something shares a bin with zero: %s", (_, special, expected) => {
    for (const at of [0, 1, 6, 9000]) {
      const values = new Float32Array(9000 + 4).fill(1);
      values.set(special, at);
      expect(binCounter()!.count(bitsOf(values), 0, values.length, new Float64Array(8192))).toBe(expected);
    }
  });
});

describe("without WebAssembly", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.resetModules();
  });

  test.each([
    ["missing", undefined],
    [
      "forbidden",
      {
        Module: class {
          constructor() {
            throw new Error("refused by the content security policy");
          }
        },
      },
    ],
  ])("%s: the histogram is the same", async (_, platform) => {
    const values = wildFloats(50_000, 4);
    const expected = ValueHistogram.of(values).toJSON();
    vi.resetModules();
    vi.stubGlobal("WebAssembly", platform);
    const fresh = await import("../../src/math/value-histogram.js");
    const counter = await import("../../src/math/bin-counter.js");
    expect(counter.binCounter()).toBeUndefined();
    expect(fresh.ValueHistogram.of(values).toJSON()).toEqual(expected);
  });
});
