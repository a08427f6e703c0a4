import { describe, expect, it } from "vitest";
import { gptqRounding } from "../../src/learn/gptq.js";
import type { Moments } from "../../src/learn/moments.js";
import { type Choices, descend, noiseOf } from "../../src/learn/rounding.js";
import { feedbackOf, roundWithFeedback, solve } from "../../src/math/feedback.js";
import { createRandom } from "../../src/math/index.js";

const random = createRandom(23);
const normals = (size: number) => Float64Array.from({ length: size }, () => random.normal());

/** XᵀX/n of inputs that depend on each other. */
function gramOf(inputs: number, rows: number): Float64Array {
  const mixing = normals(inputs * inputs);
  const gram = new Float64Array(inputs * inputs);
  for (let row = 0; row < rows; row++) {
    const source = normals(inputs);
    const x = source.map((_, k) => source.reduce((sum, s, j) => sum + mixing[k * inputs + j]! * s, 0));
    for (let k = 0; k < inputs; k++) for (let j = 0; j < inputs; j++) gram[k * inputs + j]! += (x[k]! * x[j]!) / rows;
  }
  return gram;
}

const quadratic = (gram: Float64Array, delta: ArrayLike<number>) => {
  const inputs = delta.length;
  let sum = 0;
  for (let k = 0; k < inputs; k++)
    for (let j = 0; j < inputs; j++) sum += delta[k]! * gram[k * inputs + j]! * delta[j]!;
  return sum;
};

describe("rounding with error feedback", () => {
  it("factors G = M·D·Mᵀ with M unit upper triangular, and solves with it", () => {
    const [inputs, ridge] = [7, 0.05];
    const gram = gramOf(inputs, 40);
    const feedback = feedbackOf(gram, inputs, ridge);
    const { order, factor, pivots } = feedback;
    const extra = (ridge * order.reduce((sum, k) => sum + gram[k * inputs + k]!, 0)) / inputs;
    for (let i = 0; i < inputs; i++) {
      for (let j = 0; j < inputs; j++) {
        let product = 0;
        for (let k = 0; k < inputs; k++) product += factor[i * inputs + k]! * pivots[k]! * factor[j * inputs + k]!;
        expect(product).toBeCloseTo(gram[order[i]! * inputs + order[j]!]! + (i === j ? extra : 0), 8);
        if (j < i) expect(factor[i * inputs + j]).toBe(0);
      }
    }
    const b = normals(inputs);
    const c = solve(feedback, b);
    for (let k = 0; k < inputs; k++) {
      const line = c.reduce((sum, own, j) => sum + gram[k * inputs + j]! * own, extra * c[k]!);
      expect(line).toBeCloseTo(b[k]!, 8);
    }
  });

  it("each weight is the nearest to what the ones before it leave: the plain reading of GPTQ, weight by weight", () => {
    const inputs = 6;
    const gram = gramOf(inputs, 30);
    const weights = normals(inputs);
    const { order, ...rest } = feedbackOf(gram, inputs, 0);
    const rounded = roundWithFeedback({ order, ...rest }, weights, (_, value) => Math.round(value));
    // After each weight that is fixed, those that follow are set to what minimises the noise (normal equations), then the next one is rounded.
    const delta = new Float64Array(inputs);
    for (let k = 0; k < inputs; k++) {
      const open = [...order].slice(k);
      const own = [...open].map((i) => [...open].map((j) => gram[i * inputs + j]!));
      const right = open.map(
        (i) => -[...order].slice(0, k).reduce((sum, j) => sum + gram[i * inputs + j]! * delta[j]!, 0),
      );
      const best = gauss(own, right);
      delta[order[k]!] = Math.round(weights[order[k]!]! + best[0]!) - weights[order[k]!]!;
      expect(rounded[order[k]!]).toBe(Math.round(weights[order[k]!]! + best[0]!));
    }
  });

  it("leaves less noise than nearest rounding, and than up or down alone; never beyond the type", () => {
    const [inputs, outputs] = [16, 8];
    let [nearest, updown, gptq] = [0, 0, 0];
    for (let trial = 0; trial < 8; trial++) {
      const gram = gramOf(inputs, 200);
      const step = new Float64Array(outputs).fill(0.5);
      const scaled = normals(inputs * outputs).map((w) => Math.min(Math.max(w / 0.5, -7.9), 6.9));
      const choices: Choices = {
        low: scaled.map(Math.floor),
        free: new Uint8Array(scaled.length).fill(1),
        rest: scaled.map((w) => w - Math.floor(w)),
        nearest: Uint8Array.from(scaled, (w) => (w - Math.floor(w) > 0.5 ? 1 : 0)),
        step,
        least: step.map(() => -8),
        most: step.map(() => 7),
        flat: Int32Array.from(scaled.keys()),
      };
      const zeros = (size: number) => new Float32Array(size);
      const moments: Moments = {
        ...{ groups: 1, inputs, outputs, gram: Float32Array.from(gram), cross: zeros(inputs * outputs) },
        ...{ inputMean: zeros(inputs), residualMean: zeros(outputs), residualPower: 0, outputPower: 1 },
      };
      const turned = choices.nearest.slice();
      descend(moments, choices, turned, 0.01);
      const h = gptqRounding(moments, choices, { ridge: 0.01 });
      nearest += noiseOf(moments, choices, choices.nearest);
      updown += noiseOf(moments, choices, turned);
      gptq += noiseOf(moments, choices, h);
      h.forEach((own, at) => {
        expect(choices.low[at]! + own).toBeGreaterThanOrEqual(-8);
        expect(choices.low[at]! + own).toBeLessThanOrEqual(7);
      });
      // The noise counted is that of the integers.
      const row = Float64Array.from({ length: inputs }, (_, k) => 0.5 * (choices.low[k]! + h[k]! - scaled[k]!));
      const others = { ...moments, outputs: 1 };
      expect(noiseOf(others, choices, h)).toBeCloseTo(quadratic(Float64Array.from(moments.gram), row), 3);
    }
    expect(updown).toBeLessThan(nearest);
    expect(gptq).toBeLessThan(updown * 0.9);
  });
});

/** Solves a small system by elimination with pivots. */
function gauss(matrix: number[][], right: readonly number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i]!]);
  for (let i = 0; i < rows.length; i++) {
    const pivot = rows
      .slice(i)
      .reduce((best, row, k) => (Math.abs(row[i]!) > Math.abs(rows[best]![i]!) ? i + k : best), i);
    [rows[i], rows[pivot]] = [rows[pivot]!, rows[i]!];
    for (let k = 0; k < rows.length; k++) {
      if (k === i) continue;
      const share = rows[k]![i]! / rows[i]![i]!;
      rows[k] = rows[k]!.map((value, j) => value - share * rows[i]![j]!);
    }
  }
  return rows.map((row, i) => row.at(-1)! / row[i]!);
}
