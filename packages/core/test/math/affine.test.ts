import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dequantizeValues, fakeQuantizeValues, integerArray, quantizeValues } from "../../src/math/affine.js";
import {
  encodingFromRange,
  encodingFromRanges,
  encodingFromScale,
  type IntegerDType,
} from "../../src/math/encoding.js";
import { assertFinite } from "../../src/math/finite.js";
import { fixedPointType } from "../../src/math/fixed-point.js";
import { packInt4, unpackInt4 } from "../../src/math/packing.js";
import { DISTRIBUTIONS } from "./samples.js";

interface Fixture {
  shape: number[];
  cases: {
    dtype: IntegerDType;
    axis: number | null;
    scale: string;
    zeroPoint: number[];
    x: string;
    q: string;
    y: string;
  }[];
}
const fixture: Fixture = JSON.parse(readFileSync(new URL("fixtures/quantize-linear.json", import.meta.url), "utf8"));
const bytesOf = (text: string) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;

describe("against ONNX Runtime's QuantizeLinear and DequantizeLinear (fixtures/quantize-linear.py)", () => {
  test.each(fixture.cases.map((c) => [`${c.dtype}, axis ${c.axis}`, c] as const))("%s", (_, c) => {
    const { dtype, axis, zeroPoint } = c;
    const encoding = encodingFromScale({ scale: new Float32Array(bytesOf(c.scale)), zeroPoint, dtype, axis });
    const x = new Float32Array(bytesOf(c.x));
    const q = Array.from(dtype === "uint16" ? new Uint16Array(bytesOf(c.q)) : new Int16Array(bytesOf(c.q)));
    const y = new Uint32Array(bytesOf(c.y));
    const options = { dims: fixture.shape };
    const quantized = quantizeValues(x, encoding, options);
    expect(Array.from(quantized)).toEqual(q);
    // Bits, so that +0 and −0 differ.
    expect(new Uint32Array(dequantizeValues(quantized, encoding, options).buffer)).toEqual(y);
    expect(new Uint32Array(fakeQuantizeValues(x, encoding, options).buffer)).toEqual(y);
  });
});

/** As the definition reads, one value at a time. */
function naive(x: number, scale: number, zero: number, qmin: number, qmax: number, away: boolean): number {
  const v = Math.fround(x / scale);
  const floor = Math.floor(v);
  const up = v - floor > 0.5 || (v - floor === 0.5 && (away ? v > 0 : floor % 2 !== 0));
  return Math.min(Math.max((up ? floor + 1 : floor) + zero, qmin), qmax);
}

describe("quantizeValues", () => {
  test("both roundings agree with a naive loop, per channel of a middle axis", () => {
    const values = DISTRIBUTIONS.gaussian(2 * 3 * 50);
    const dims = [2, 3, 5, 10];
    values.forEach((x, i) => {
      if (i % 3 === 0) values[i] = Math.round(x * 16) / 16;
    });
    const encoding = encodingFromScale({ scale: [0.125, 0.01, 0.03], zeroPoint: [0, 7, -3], dtype: "int8", axis: 1 });
    for (const rounding of ["half-even", "half-away"] as const) {
      const expected = Array.from(values, (x, i) => {
        const c = Math.floor(i / 50) % 3;
        return naive(x, encoding.scale[c]!, encoding.zeroPoint[c]!, -128, 127, rounding === "half-away");
      });
      const quantized = quantizeValues(values, encoding, { dims, rounding });
      expect(Array.from(quantized)).toEqual(expected);
      const fake = fakeQuantizeValues(values, encoding, { dims, rounding });
      expect(new Uint32Array(fake.buffer)).toEqual(
        new Uint32Array(dequantizeValues(quantized, encoding, { dims }).buffer),
      );
    }
  });

  test("int32 divides in float64, so that a bias keeps all its bits", () => {
    const bias = Float32Array.of(1.2345678, -3.3333333, 1e9, -1e9);
    const encoding = encodingFromScale({ scale: [1e-8], dtype: "int32" });
    const scale = encoding.scale[0]!;
    const quantized = quantizeValues(bias, encoding);
    expect(Array.from(quantized)).toEqual([
      Math.round(bias[0]! / scale),
      Math.round(bias[1]! / scale),
      2 ** 31 - 1,
      -(2 ** 31),
    ]);
    expect(quantizeValues(bias, encoding, { rounding: "half-away" })).toEqual(quantized);
  });

  test("NaN becomes qmin, infinities saturate", () => {
    const values = Float32Array.of(Number.NaN, Infinity, -Infinity);
    const encoding = encodingFromScale({ scale: [1], zeroPoint: [5], dtype: "int8" });
    for (const rounding of ["half-even", "half-away"] as const) {
      expect(Array.from(quantizeValues(values, encoding, { rounding }))).toEqual([-128, 127, -128]);
      expect(Array.from(fakeQuantizeValues(values, encoding, { rounding }))).toEqual([-133, 122, -133]);
    }
  });

  test("zeros stay exact zeros in every encoding", () => {
    fc.assert(
      fc.property(
        fc.float({ noNaN: true, noDefaultInfinity: true }),
        fc.boolean(),
        fc.boolean(),
        fc.integer({ min: 2, max: 16 }),
        (limit, signed, symmetric, bits) => {
          const range = { min: Math.min(limit, 0), max: Math.max(limit, 0) };
          const out = fakeQuantizeValues(Float32Array.of(0, -0), encodingFromRange(range, { signed, symmetric, bits }));
          expect(new Uint32Array(out.buffer)).toEqual(Uint32Array.of(0, 0));
        },
      ),
      { seed: 3, numRuns: 500 },
    );
  });

  test("error is at most half a step inside the range", () => {
    const values = DISTRIBUTIONS.uniform(2000);
    const encoding = encodingFromRange({ min: -2, max: 3 }, { signed: false, bits: 6 });
    const out = fakeQuantizeValues(values, encoding);
    for (let i = 0; i < values.length; i++) {
      expect(Math.abs(out[i]! - values[i]!)).toBeLessThanOrEqual(encoding.scale[0]! * 0.5001);
    }
  });

  test("writes into a given array, which may be the input of fakeQuantizeValues", () => {
    const values = Float32Array.of(0.3, 1.2, 9);
    const encoding = encodingFromScale({ scale: [1], dtype: "int8", bits: 3 });
    const out = integerArray("int8", 3);
    expect(quantizeValues(values, encoding, {}, out)).toBe(out);
    expect(fakeQuantizeValues(values, encoding, {}, values)).toEqual(Float32Array.of(0, 1, 3));
  });

  test("rejects shapes that do not fit", () => {
    const encoding = encodingFromRanges({ min: [-1, -1], max: [1, 1] }, 0);
    const values = new Float32Array(6);
    expect(() => quantizeValues(values, encoding)).toThrow("6 values do not fit shape []");
    expect(() => quantizeValues(values, encoding, { dims: [2, 4] })).toThrow(
      "6 values do not fit shape [2, 4], axis 0",
    );
    expect(() => quantizeValues(values, encoding, { dims: [3, 2] })).toThrow("2 scales for 3 channels");
    expect(() => quantizeValues(values, encoding, { dims: [2, 3] }, new Int8Array(5))).toThrow("output holds 5 values");
    expect(quantizeValues(new Float32Array(0), encoding, { dims: [2, 0] })).toHaveLength(0);
  });
});

describe("fixed-point type of MathWorks' quantization page", () => {
  const type = fixedPointType({ msb: 3, lsb: -3 });

  test("has 8 bits with the sign", () => {
    expect(type).toMatchObject({ bits: 8, dtype: "int8", qmin: -128, qmax: 127, scale: Float32Array.of(0.125) });
  });

  test("underflow, precision loss, overflow: the worked example", () => {
    const values = Float32Array.of(0.03125, 2.1, 16.25, -0.03125, -2.1, -16.25);
    const out = fakeQuantizeValues(values, type, { rounding: "half-away" });
    expect(Array.from(out)).toEqual([0, 2.125, 15.875, 0, -2.125, -16]);
  });

  test("ties go away from zero as MATLAB's round, to even as ONNX", () => {
    const ties = Float32Array.of(0.0625, 0.1875, -0.0625, -0.3125);
    expect(Array.from(fakeQuantizeValues(ties, type, { rounding: "half-away" }))).toEqual([
      0.125, 0.25, -0.125, -0.375,
    ]);
    expect(Array.from(fakeQuantizeValues(ties, type))).toEqual([0, 0.25, 0, -0.25]);
  });

  test("unsigned and other widths, and what is no type", () => {
    expect(fixedPointType({ msb: 0, lsb: -3, signed: false })).toMatchObject({ bits: 4, dtype: "uint4", qmax: 15 });
    expect(fixedPointType({ msb: 7, lsb: -4 })).toMatchObject({ bits: 13, dtype: "int16" });
    for (const wrong of [
      { msb: -4, lsb: -3 },
      { msb: 20, lsb: 0 },
      { msb: 1.5, lsb: 0 },
      { msb: -120, lsb: -127 },
    ]) {
      expect(() => fixedPointType(wrong)).toThrow("fixedPointType: invalid bits");
    }
  });
});

test("assertFinite names the first bad value", () => {
  expect(() => assertFinite(Float32Array.of(1, -2, 3e38), "weights")).not.toThrow();
  expect(() => assertFinite(new Float32Array(0), "weights")).not.toThrow();
  const bad = Float32Array.of(0, 1, Number.NaN, Infinity);
  expect(() => assertFinite(bad, 'weights of "conv1"', "conv1.weight")).toThrow(
    expect.objectContaining({
      code: "E3006",
      message: 'weights of "conv1": value at index 2 is NaN, expected finite numbers',
      details: expect.objectContaining({ tensor: "conv1.weight", index: 2 }),
    }),
  );
  expect(() => assertFinite(Float32Array.of(-Infinity), "w")).toThrow("index 0 is -Infinity");
});

test("packInt4 stores two values a byte, first in the low half, and unpacks again", () => {
  expect(Array.from(packInt4(Int8Array.of(1, -2, 7)))).toEqual([0xe1, 0x07]);
  const signed = Int8Array.from({ length: 33 }, (_, i) => (i % 16) - 8);
  expect(unpackInt4(packInt4(signed), 33, true)).toEqual(signed);
  const unsigned = Uint8Array.from({ length: 16 }, (_, i) => i);
  expect(unpackInt4(packInt4(unsigned), 16, false)).toEqual(unsigned);
});
