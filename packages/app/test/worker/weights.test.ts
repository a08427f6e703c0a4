import { readFileSync } from "node:fs";
import { join } from "node:path";
import { linearLayers, parseModel, roundHalfEven, weightRanges } from "@equant/core/lab";
import { floatWeights } from "@equant/report";
import { expect, test } from "vitest";
import { weightFactsOf } from "../../src/worker/weights.js";

const DIGITS = join(import.meta.dirname, "../../../cli/assets/digits.onnx");

test("weight SQNR is that of rounding every weight, with one scale a tensor and one a channel", async () => {
  const { folded: model } = await weightRanges(parseModel(readFileSync(DIGITS)));
  const facts = weightFactsOf(model);
  for (const layer of linearLayers(model.graph)) {
    const values = [...(layer.tensor.array() as Float32Array)];
    // The digits network keeps output channels first, in convolutions and in the transposed Gemm.
    const size = values.length / layer.outChannels;
    const db = (scaleOf: (index: number) => number) => {
      const noise = values.map((w, i) => (scaleOf(i) === 0 ? 0 : w - scaleOf(i) * roundHalfEven(w / scaleOf(i))));
      const power = (list: number[]) => list.reduce((sum, x) => sum + x * x, 0);
      return 10 * Math.log10(power(values) / power(noise));
    };
    const top = (list: number[]) => Math.max(...list.map(Math.abs)) / 127;
    const channels = Array.from({ length: layer.outChannels }, (_, c) => top(values.slice(c * size, (c + 1) * size)));
    const whole = top(values);
    const { weightDb } = facts.get(layer.node.name)!;
    const [weights] = floatWeights(model, undefined, [layer.node.name]);
    expect(weightDb.perTensor).toBeCloseTo(
      db(() => whole),
      6,
    );
    expect(weightDb.perChannel).toBeCloseTo(
      db((i) => channels[Math.floor(i / size)]!),
      6,
    );
    expect(weightDb.perChannel).toBeGreaterThan(weightDb.perTensor - 1e-9);
    expect(weights!.before!.channels.max).toHaveLength(layer.outChannels);
  }
  expect(facts.size).toBe(4);
  expect(floatWeights(model).map(({ layer }) => layer)).toEqual([...facts.keys()]);
});
