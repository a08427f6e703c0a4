import { encodingFromRange, fixedPointType } from "@equant/core/lab";
import { describe, expect, test } from "vitest";
import { CHARTS, fixedPointOf, msbRow } from "../../src/index.js";
import { expectChart } from "../helpers.js";

/** The values of MathWorks' page that it prints, and some that fill the heat map. */
const SEED = [0.03125, 2.1, 16.25, 0.5, -0.75, 1.5, -3.2, 7.9, 0];
const SEED_TYPE = fixedPointType({ msb: 3, lsb: -3 });
const row = (values: number[], encoding = SEED_TYPE) =>
  msbRow({ layer: "conv1", tensor: "conv1.w", kind: "weights" }, Float32Array.from(values), encoding, [values.length]);

describe("msbRow", () => {
  test("counts MathWorks' values by their most significant bit", () => {
    const { first, positive, negative, zeros, total, overflow, underflow } = row(SEED);
    const counted = new Map<number, number>();
    for (const value of SEED) {
      if (value !== 0) {
        const e = Math.floor(Math.log2(Math.abs(value)));
        counted.set(e, (counted.get(e) ?? 0) + 1);
      }
    }
    const found = positive.map((n, i) => [first + i, n + negative[i]!] as const).filter(([, n]) => n > 0);
    expect(found).toEqual([...counted].sort(([a], [b]) => a - b));
    expect(found).toEqual([
      [-5, 1],
      [-1, 2],
      [0, 1],
      [1, 2],
      [2, 1],
      [4, 1],
    ]);
    // 0.03125 becomes 0, 16.25 saturates; 2.1 only loses precision.
    expect({ zeros, total, overflow, underflow }).toEqual({ zeros: 1, total: 9, overflow: 1, underflow: 1 });
  });

  test("agrees with a naive count on a million floats of any bits", () => {
    const bits = new Uint32Array(1_000_000);
    let state = 12345;
    for (let i = 0; i < bits.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const next = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      bits[i] = (state & 0xffff0000) | (next >>> 16);
      state = next;
    }
    const values = new Float32Array(bits.buffer);
    values.set([0, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 1e-45, -1e-45, 1e-40, 3.4e38]);
    const encoding = encodingFromRange({ min: -3, max: 5 }, { bits: 8, signed: false, symmetric: false });
    const [scale, zero] = [encoding.scale[0]!, encoding.zeroPoint[0]!];
    let [overflow, underflow, zeros, total] = [0, 0, 0, 0];
    const byExponent = new Map<number, number>();
    for (const x of values) {
      if (Number.isFinite(x)) total++;
      if (x === 0) zeros++;
      else if (Number.isFinite(x)) {
        let e = Math.floor(Math.log2(Math.abs(x)));
        // log2 may round up to the next integer just below a power of two.
        if (2 ** e > Math.abs(x)) e--;
        byExponent.set(e, (byExponent.get(e) ?? 0) + 1);
      }
      if (Number.isNaN(x) || x === 0) continue;
      const integer = roundEven(Math.fround(x / scale)) + zero;
      if (integer > encoding.qmax || integer < encoding.qmin) overflow++;
      else if (integer === zero) underflow++;
    }
    const counted = msbRow({ layer: "a", tensor: "a", kind: "activations" }, values, encoding, [values.length]);
    expect(counted).toMatchObject({ overflow, underflow, zeros, total });
    const exponents = counted.positive.flatMap((n, i) => {
      const both = n + counted.negative[i]!;
      return both > 0 ? [[counted.first + i, both] as const] : [];
    });
    expect(exponents).toEqual([...byExponent].sort(([a], [b]) => a - b));
    expect(underflow).toBeGreaterThan(100_000);
    expect(byExponent.has(-149)).toBe(true);
  });
});

function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

describe("msbHeatmap", () => {
  test("draws MathWorks' values in its type", async () => {
    const chart = CHARTS["msb-heatmap"].draw([row(SEED)], { mode: "power-of-two" });
    const svg = await expectChart(chart, "msb-seed-002");
    expect(svg).toContain('data-layer="conv1"');
    const [cells] = chart.table.rows;
    expect(cells?.slice(-2)).toEqual([0.111, 0.111]);
  });

  test("mirrors negatives only where asked, and grays the left half of a type without sign", async () => {
    const relu = encodingFromRange({ min: 0, max: 6 }, { bits: 8, signed: false, symmetric: false });
    const rows = [row([-1, -0.5, 0.25, 1, 3]), row([0, 0, 0.001, 0.5, 6.5], relu)];
    await expectChart(CHARTS["msb-heatmap"].draw(rows), "msb-signed");
    await expectChart(CHARTS["msb-heatmap"].draw(rows, { signed: false, log: true }), "msb-unsigned");
  });

  test("says so when nothing is quantized", () => {
    const chart = CHARTS["msb-heatmap"].draw([{ ...row([1]), encoding: null, overflow: null, underflow: null }]);
    expect(chart.summary).toBe("1 tensor, none with an integer type.");
  });
});

describe("fixedPointOf", () => {
  test("finds the type of a fixed-point encoding again", () => {
    for (const [msb, lsb, signed] of [
      [3, -3, true],
      [3, -4, false],
      [-2, -8, true],
    ] as const) {
      const { scale, zeroPoint, dtype, bits, axis, qmin, qmax } = fixedPointType({ msb, lsb, signed });
      const json = { scale: [...scale], zeroPoint: [...zeroPoint], dtype, bits, axis, qmin, qmax };
      expect(fixedPointOf(json)).toEqual({ msb, lsb, signed });
    }
  });
});
