import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OptionsError } from "../../src/errors.js";
import {
  ACTIVATION_ENCODING,
  type EncodingOptions,
  encodingFromRange,
  encodingFromRanges,
  encodingFromScale,
  MIN_SCALE,
  representableRange,
  WEIGHT_ENCODING,
} from "../../src/math/encoding.js";

const grids: EncodingOptions[] = [2, 3, 4, 5, 8, 12, 16].flatMap((bits) =>
  [true, false].flatMap((signed) =>
    [true, false].flatMap((symmetric) =>
      [true, false].flatMap((narrow) =>
        [true, false].map((powerOfTwo) => ({ bits, signed, symmetric, narrow, powerOfTwo })),
      ),
    ),
  ),
);
// Below 2^125, so that the scale of a 2-bit type, rounded up to a power of two, still is a float.
const anyFloat = fc.float({ noNaN: true, min: -(2 ** 125), max: 2 ** 125 });
const anyRange = fc.tuple(anyFloat, anyFloat).map(([a, b]) => ({ min: Math.min(a, b), max: Math.max(a, b) }));

describe("encodingFromRange", () => {
  test("weights and activations as designed", () => {
    expect(encodingFromRange({ min: -1, max: 0.5 }, WEIGHT_ENCODING)).toMatchObject({
      scale: Float32Array.of(1 / 127),
      zeroPoint: Int32Array.of(0),
      dtype: "int8",
      bits: 8,
      axis: null,
      qmin: -127,
      qmax: 127,
      symmetric: true,
    });
    expect(encodingFromRange({ min: -1, max: 4.1 }, ACTIVATION_ENCODING)).toMatchObject({
      scale: Float32Array.of(0.02),
      zeroPoint: Int32Array.of(50),
      dtype: "uint8",
      qmin: 0,
      qmax: 255,
      symmetric: false,
    });
  });

  test("defaults are those of weights", () => {
    expect(encodingFromRange({ min: -1, max: 2 })).toEqual(encodingFromRange({ min: -1, max: 2 }, WEIGHT_ENCODING));
  });

  test("is widened to 0 on either side", () => {
    expect(encodingFromRange({ min: 3, max: 6 }, ACTIVATION_ENCODING)).toEqual(
      encodingFromRange({ min: 0, max: 6 }, ACTIVATION_ENCODING),
    );
    expect(encodingFromRange({ min: -6, max: -3 }, ACTIVATION_ENCODING).zeroPoint[0]).toBe(255);
  });

  test("a full signed type uses its lowest integer; a symmetric unsigned one has its zero in the middle", () => {
    const full = encodingFromRange({ min: -128, max: 100 }, { narrow: false });
    expect([full.scale[0], full.qmin]).toEqual([1, -128]);
    const unsigned = encodingFromRange({ min: -1, max: 1 }, { signed: false, symmetric: true, narrow: true });
    expect([unsigned.zeroPoint[0], unsigned.qmin, unsigned.qmax]).toEqual([128, 1, 255]);
  });

  test("is frozen", () => {
    const encoding = encodingFromRange({ min: 0, max: 1 });
    expect(() => {
      (encoding as { bits: number }).bits = 4;
    }).toThrow(TypeError);
  });

  test("any range, any type: zero is exact, the scale is a normal float, the range is covered within half a step", () => {
    fc.assert(
      fc.property(anyRange, fc.constantFrom(...grids), (range, options) => {
        const encoding = encodingFromRange(range, options);
        const scale = encoding.scale[0]!;
        const zero = encoding.zeroPoint[0]!;
        expect(scale).toBeGreaterThanOrEqual(MIN_SCALE);
        expect(scale).toBeLessThan(Infinity);
        expect(zero).toBeGreaterThanOrEqual(encoding.qmin);
        expect(zero).toBeLessThanOrEqual(encoding.qmax);
        const covered = representableRange(encoding);
        // Half a step for the zero point, and float32's rounding of the scale over all steps.
        const slack = options.powerOfTwo ? 0 : scale * (0.5 + 2 ** options.bits! * 2 ** -23);
        expect(covered.min).toBeLessThanOrEqual(Math.min(range.min, 0) + slack);
        expect(covered.max).toBeGreaterThanOrEqual(Math.max(range.max, 0) - slack);
      }),
      { seed: 5, numRuns: 1500 },
    );
  });

  test("a power-of-two scale is the smallest that covers the range", () => {
    const scaleOf = (max: number, min = 0, options: EncodingOptions = {}) =>
      encodingFromRange({ min, max }, { powerOfTwo: true, ...options }).scale[0];
    expect(scaleOf(127)).toBe(1);
    expect(scaleOf(127.01)).toBe(2);
    expect(scaleOf(15.875)).toBe(0.125);
    expect(scaleOf(0, -16, { narrow: false })).toBe(0.125);
    expect(scaleOf(0, -16)).toBe(0.25);
    expect(scaleOf(255, 0, ACTIVATION_ENCODING)).toBe(1);
    // −0.5 needs a step of its own below 0, and 255 none fewer above it.
    expect(scaleOf(255, -0.5, ACTIVATION_ENCODING)).toBe(2);
    expect(scaleOf(254, -0.5, ACTIVATION_ENCODING)).toBe(1);
    fc.assert(
      fc.property(anyRange, fc.constantFrom(...grids), (range, options) => {
        const encoding = encodingFromRange(range, { ...options, powerOfTwo: true });
        const scale = encoding.scale[0]!;
        expect(Number.isInteger(Math.log2(scale))).toBe(true);
        if (scale === MIN_SCALE || (range.min === 0 && range.max === 0)) return;
        const min = Math.min(range.min, 0);
        const max = Math.max(range.max, 0);
        const half = scale / 2;
        const reaches = (zero: number) => min >= half * (encoding.qmin - zero) && max <= half * (encoding.qmax - zero);
        const zeros = options.symmetric
          ? [encoding.zeroPoint[0]!]
          : [Math.ceil(encoding.qmin - min / half), Math.floor(encoding.qmax - max / half)];
        expect(zeros.some((z) => z >= encoding.qmin && z <= encoding.qmax && reaches(z))).toBe(false);
      }),
      { seed: 6, numRuns: 2000 },
    );
  });

  test("an all-zero tensor has scale 1; a tiny range never a denormal scale", () => {
    expect(encodingFromRange({ min: 0, max: 0 }, ACTIVATION_ENCODING)).toMatchObject({
      scale: Float32Array.of(1),
      zeroPoint: Int32Array.of(0),
    });
    expect(encodingFromRange({ min: 0, max: 1e-40 }).scale[0]).toBe(MIN_SCALE);
  });

  test.each([
    ["bits 1", { bits: 1 }, "encodingFromRange: invalid bits 1, expected 2-16"],
    ["bits 17", { bits: 17 }, "invalid bits 17"],
    ["bits 7.5", { bits: 7.5 }, "invalid bits 7.5"],
    [
      "narrow storage",
      { bits: 9, dtype: "int8" as const },
      "invalid dtype int8, expected a signed integer of at least 9 bits",
    ],
    ["other sign", { signed: false, dtype: "int8" as const }, "invalid dtype int8, expected a unsigned"],
  ])("rejects %s", (_, options, message) => {
    expect(() => encodingFromRange({ min: 0, max: 1 }, options)).toThrow(message);
    expect(() => encodingFromRange({ min: 0, max: 1 }, options)).toThrow(expect.objectContaining({ code: "E2002" }));
  });

  test.each([
    [Number.NaN, 1],
    [0, Infinity],
    [-Infinity, 0],
    [2, 1],
  ])("rejects the range %d … %d", (min, max) => {
    expect(() => encodingFromRange({ min, max })).toThrow(OptionsError);
  });

  test("4 bits are stored in int4, or wider on request", () => {
    expect(encodingFromRange({ min: -1, max: 1 }, { bits: 4 }).dtype).toBe("int4");
    expect(encodingFromRange({ min: -1, max: 1 }, { bits: 3, signed: false }).dtype).toBe("uint4");
    const stored = encodingFromRange({ min: -1, max: 1 }, { bits: 4, dtype: "int8" });
    expect([stored.dtype, stored.qmin, stored.qmax]).toEqual(["int8", -7, 7]);
    expect(encodingFromRange({ min: -1, max: 1 }, { bits: 9 }).dtype).toBe("int16");
  });
});

describe("encodingFromRanges", () => {
  test("each channel as a tensor of its own", () => {
    const ranges = { min: [-1, 0, -3], max: [2, 5, -1] };
    for (const options of [WEIGHT_ENCODING, ACTIVATION_ENCODING]) {
      const encoding = encodingFromRanges(ranges, 1, options);
      expect(encoding.axis).toBe(1);
      for (let c = 0; c < 3; c++) {
        const alone = encodingFromRange({ min: ranges.min[c]!, max: ranges.max[c]! }, options);
        expect(encoding.scale[c]).toBe(alone.scale[0]);
        expect(encoding.zeroPoint[c]).toBe(alone.zeroPoint[0]);
      }
    }
  });

  test("an all-zero channel takes the largest scale of the others, 1 if all are zero", () => {
    const encoding = encodingFromRanges({ min: [-1, 0, -4], max: [1, 0, 0] }, 0, WEIGHT_ENCODING);
    expect(encoding.scale[1]).toBe(encoding.scale[2]);
    expect(encodingFromRanges({ min: [0, 0], max: [0, 0] }, 0).scale).toEqual(Float32Array.of(1, 1));
  });

  test("names the channel that is wrong", () => {
    expect(() => encodingFromRanges({ min: [0, Number.NaN], max: [1, 1] }, 0)).toThrow(
      "(channel 1): invalid range NaN … 1",
    );
    expect(() => encodingFromRanges({ min: [0, 0], max: [1] }, 0)).toThrow("2 minima but 1 maxima");
  });
});

describe("encodingFromScale", () => {
  test("an int32 bias", () => {
    expect(encodingFromScale({ scale: [0.5, 0.25], dtype: "int32", axis: 0 })).toMatchObject({
      bits: 32,
      qmin: -(2 ** 31),
      qmax: 2 ** 31 - 1,
      zeroPoint: Int32Array.of(0, 0),
      symmetric: true,
    });
  });

  test("finds out whether it is symmetric", () => {
    expect(encodingFromScale({ scale: [1], zeroPoint: [128], dtype: "uint8" }).symmetric).toBe(true);
    expect(encodingFromScale({ scale: [1], zeroPoint: [3], dtype: "int8" }).symmetric).toBe(false);
    expect(encodingFromScale({ scale: [1], dtype: "int8", narrow: true }).qmin).toBe(-127);
  });

  test.each([
    ["scale 0", { scale: [0], dtype: "int8" as const }, "invalid scale 0"],
    ["a denormal scale", { scale: [1e-40], dtype: "int8" as const }, "invalid scale"],
    ["an infinite scale", { scale: [Infinity], dtype: "int8" as const }, "invalid scale Infinity"],
    [
      "a zero point outside",
      { scale: [1], zeroPoint: [-1], dtype: "uint8" as const },
      "invalid zero point -1, expected 0-255",
    ],
    ["several scales without axis", { scale: [1, 1], dtype: "int8" as const }, "2 scales, 2 zero points, axis null"],
    ["33 bits", { scale: [1], dtype: "int32" as const, bits: 33 }, "invalid bits 33, expected 2-32"],
  ])("rejects %s", (_, known, message) => {
    expect(() => encodingFromScale(known)).toThrow(message);
  });
});
