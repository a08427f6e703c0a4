import { describe, expect, it } from "vitest";
import { EQUALIZE_METHODS, type EqualizeOptions, equalize, PAPER_FLOOR } from "../../src/equalize/index.js";
import { cloneModel, type Model } from "../../src/graph/index.js";
import { createRandom } from "../../src/math/index.js";
import type { HostTensor } from "../../src/runtime/index.js";
import { naiveStatistics } from "../helpers/channel-statistics.js";
import { runner } from "../helpers/runner.js";
import { parametersOf, shapesOf, twoLayers } from "./two-layers.js";

/** Eight channels of very different range; the first three reach the bound of ReLU6 on the data. */
const SIZES = [6, 5, 4, 0.4, 0.1, 0.05, 0.6, 0.01];

function network(seed: number): Model {
  const random = createRandom(seed);
  const rows = (count: number, columns: number, size: (j: number, i: number) => number) =>
    Array.from({ length: count }, (_, j) => Array.from({ length: columns }, (_, i) => size(j, i) * random.normal()));
  const w1 = rows(8, 4, (j) => SIZES[j]!);
  const w2 = rows(5, 8, (_, i) => 1 + (i % 2));
  return twoLayers({ w1, w2, b1: rows(1, 8, (_, i) => SIZES[i]!)[0]!, b2: rows(1, 5, () => 1)[0]!, clip: [0, 6] });
}

function feeds(seed: number, spread = 1): Record<string, HostTensor> {
  const random = createRandom(seed);
  return {
    x: { dtype: "float32", dims: [64, 4], data: Float32Array.from({ length: 256 }, () => spread * random.normal()) },
  };
}

/** Statistics include the input: it is no output of a node. */
async function statistics(model: Model, data: Record<string, HostTensor>) {
  const stats = new Map(await naiveStatistics(model, [data]));
  return stats.set("x", { max: [3, 3, 3, 3], min: [-3, -3, -3, -3], mean: [0, 0, 0, 0], meanSquare: [1, 1, 1, 1] });
}

async function outputs(model: Model, data: Record<string, HostTensor>): Promise<number[]> {
  const fetched = await runner.using(model, (session) => session.run(data), { optimization: "disabled" });
  return [...(Object.values(fetched)[0]!.data as Float32Array)];
}

/** The network in plain numbers with `activation` between its layers. */
function reference(
  model: Model,
  data: Record<string, HostTensor>,
  activation: (pre: number, channel: number) => number,
): number[] {
  const { w1, b1, w2, b2 } = parametersOf(model);
  const x = data.x!.data as Float32Array;
  return Array.from({ length: x.length / 4 }, (_, n) => {
    const post = w1.map((row, j) =>
      activation(
        row.reduce((sum, w, i) => sum + w * x[4 * n + i]!, b1[j]!),
        j,
      ),
    );
    return w2.map((row, j) => row.reduce((sum, w, i) => sum + w * post[i]!, b2[j]!));
  }).flat();
}

const clamp = (value: number, top: number) => Math.min(Math.max(value, 0), top);

async function equalized(seed: number, options: EqualizeOptions) {
  const model = network(seed);
  const before = cloneModel(model);
  const data = feeds(seed + 1);
  const stats = await statistics(model, data);
  const report = await equalize({ stats, shapes: shapesOf(model), ...options })(model, {});
  const [plain, scaled] = [parametersOf(before), parametersOf(model)];
  const factors = plain.w1.map((row, j) => scaled.w1[j]![0]! / row[0]!);
  return { model, before, data, stats, report, plain, scaled, factors };
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  const range = Math.max(...expected) - Math.min(...expected);
  expect(Math.max(...expected.map((value, i) => Math.abs(value - actual[i]!))) / range).toBeLessThan(1e-5);
}

describe.each(EQUALIZE_METHODS)("ReLU6 under %s", (method) => {
  it.each(["exact", "common", "paper", "replace"] as const)(
    "%s: the network is the one its formula says, far beyond the data too",
    async (relu6) => {
      const { model, before, report, factors, plain, scaled, stats } = await equalized(1, { method, relu6 });
      expect(report.modified).toBe(true);
      expect(report.relu6).toBe(relu6);
      factors.forEach((c, j) => {
        scaled.w1[j]!.forEach((w, i) => {
          expect(w / (c * plain.w1[j]![i]!)).toBeCloseTo(1, 5);
        });
        expect(scaled.b1[j]! / (c * plain.b1[j]!)).toBeCloseTo(1, 5);
        scaled.w2.forEach((row, k) => {
          expect((row[j]! * c) / plain.w2[k]![j]!).toBeCloseTo(1, 5);
        });
      });
      const pre = stats.get(before.graph.nodes[0]!.outputs[0]!)!;
      const reached = Array.from(pre.max, (max) => max >= 6);
      // The bound that stays in `common` mode: that of the channels which reach it.
      const common = factors[reached.indexOf(true)]!;
      const activation = {
        exact: (y: number) => clamp(y, 6),
        common: (y: number, j: number) => clamp(factors[j]! * y, 6 * common) / factors[j]!,
        paper: (y: number, j: number) => clamp(factors[j]! * y, 6) / factors[j]!,
        replace: (y: number) => Math.max(y, 0),
      }[relu6];
      for (const spread of [1, 5]) {
        const data = feeds(7, spread);
        expectClose(await outputs(model, data), reference(before, data, activation));
      }
    },
  );

  it("common: channels at the bound share a factor, and the data do not notice", async () => {
    const { model, before, data, factors, stats, report } = await equalized(1, { method, relu6: "common" });
    const { max } = stats.get(before.graph.nodes[0]!.outputs[0]!)!;
    const reached = factors.filter((_, j) => max[j]! >= 6);
    expect(reached.length).toBeGreaterThanOrEqual(2);
    expect(reached.length).toBeLessThan(8);
    for (const factor of reached) expect(factor / reached[0]!).toBeCloseTo(1, 6);
    factors.forEach((factor, j) => {
      expect(factor * Math.min(max[j]!, 6)).toBeLessThanOrEqual(6 * reached[0]! * (1 + 1e-5));
    });
    expect(report.clips).toEqual([{ node: "act", bound: "scalar", channels: 8, reached: reached.length }]);
    expectClose(await outputs(model, data), await outputs(before, data));
  });

  it("paper: none is amplified beyond the bound, none attenuated below its floor, and the bound stays", async () => {
    const { before, factors, stats, report } = await equalized(1, { method, relu6: "paper" });
    const { max } = stats.get(before.graph.nodes[0]!.outputs[0]!)!;
    const floor = method === "one-step" ? 1 : PAPER_FLOOR;
    factors.forEach((factor, j) => {
      expect(factor).toBeGreaterThanOrEqual(floor * (1 - 1e-6));
      expect(factor * Math.min(max[j]!, 6)).toBeLessThanOrEqual(6 * (1 + 1e-6));
    });
    expect(report.clips).toEqual([{ node: "act", bound: "kept", channels: 8, reached: expect.any(Number) }]);
  });

  it("exact: one bound a channel, the same function for every input", async () => {
    const { model, before, report } = await equalized(1, { method, relu6: "exact" });
    expect(report.clips[0]).toMatchObject({ node: "act", bound: "vector", channels: 8 });
    const far = feeds(9, 20);
    expectClose(await outputs(model, far), await outputs(before, far));
  });

  it.each(["exact", "common", "paper", "replace"] as const)(
    "powers of two, %s: every factor is one, and obeys the mode's rules all the same",
    async (relu6) => {
      const { before, factors, stats, report } = await equalized(1, { method, relu6, powerOfTwo: true });
      expect(report.modified).toBe(true);
      for (const factor of factors) expect(Math.log2(factor) % 1).toBeCloseTo(0, 12);
      const { max } = stats.get(before.graph.nodes[0]!.outputs[0]!)!;
      const reached = factors.filter((_, j) => max[j]! >= 6);
      const bound = relu6 === "common" ? reached[0]! : 1;
      if (relu6 === "common") expect(new Set(reached).size).toBe(1);
      if (relu6 === "paper") expect(Math.min(...factors)).toBeGreaterThanOrEqual(1);
      if (relu6 === "exact" || relu6 === "replace") return;
      factors.forEach((factor, j) => {
        expect(factor * Math.min(max[j]!, 6)).toBeLessThanOrEqual(6 * bound * (1 + 1e-6));
      });
    },
  );
});

describe("modes that need to know where the bound is reached", () => {
  it.each(["common", "paper"] as const)("%s without statistics of the Clip: E4005", async (relu6) => {
    const model = network(1);
    const run = async () => equalize({ method: "dfq", relu6, shapes: shapesOf(model) })(model, {});
    await expect(run()).rejects.toMatchObject({ code: "E4005", message: expect.stringContaining('"act"') });
  });

  it("replace drops the bound, and says so", async () => {
    const { model, report } = await equalized(1, { method: "optimal", relu6: "replace" });
    expect(model.graph.nodes.map(({ opType }) => opType)).toEqual(["Gemm", "Relu", "Gemm"]);
    expect(report.clips).toEqual([{ node: "act", bound: "removed", channels: 8, reached: expect.any(Number) }]);
  });
});
