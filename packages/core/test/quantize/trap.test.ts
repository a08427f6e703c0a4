import { describe, expect, it } from "vitest";
import { calibrate } from "../../src/calibrate/index.js";
import { randomDataset } from "../../src/data/index.js";
import { cloneModel, type Model, Tensor } from "../../src/graph/index.js";
import { applyQdq, planQuantization, quantizationRequests } from "../../src/quantize/index.js";
import type { SessionOptions } from "../../src/runtime/index.js";
import { convReluConv } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";

/**
 * ONNX Runtime's WeightBiasQuantization turns float weights between Q/DQ nodes into int8, one scale a tensor, from the
 * basic optimization level on. Who measures activations alone must switch it off.
 */
describe("the trap of float weights between Q/DQ nodes", () => {
  const dataset = randomDataset([2, 8, 8], 4, 3, { min: -1, max: 1 });

  /** Two layers, quantized in activations only; weights of the second that no value reaches are 2,000 times the others. */
  async function activationsOnly(): Promise<Model> {
    const model = convReluConv({ channels: 2, seed: 5 });
    const [first, , second] = model.graph.nodes;
    const change = (name: string, map: (value: number, at: number) => number) => {
      const tensor = model.graph.initializers.get(name)!;
      model.graph.initializers.set(name, Tensor.float32(tensor.dims, (tensor.array() as Float32Array).map(map)));
    };
    // Channel 0 between the layers is dead; its weights set the range of a whole tensor and round the others to zero.
    change(first!.inputs[2]!, (bias, channel) => (channel === 0 ? -1000 : bias));
    change(second!.inputs[1]!, (weight, at) => (at % 18 < 9 ? 2000 * weight : weight));
    const calibration = await calibrate(model, { requests: quantizationRequests(model) }, { runner, data: dataset });
    const quantized = cloneModel(model);
    const plan = planQuantization(quantized, calibration, {});
    applyQdq(quantized, { ...plan, parameters: [] });
    return quantized;
  }

  async function run(model: Model, options: SessionOptions): Promise<Float32Array> {
    const data = new Float32Array(128);
    await dataset.fill(1, data, 0);
    const feeds = { input: { dtype: "float32", dims: [1, 2, 8, 8], data } as const };
    const result = await runner.using(model, (session) => session.run(feeds), options);
    return Object.values(result)[0]!.data as Float32Array;
  }

  /** Largest difference, in steps of the output's own 8 bits. */
  function stepsApart(a: Float32Array, b: Float32Array, step: number): number {
    return Math.max(...a.map((value, at) => Math.abs(value - b[at]!))) / step;
  }

  it("gives wrong values by default, and the file's own with the precaution", async () => {
    const model = await activationsOnly();
    const quantizeOutput = model.graph.nodes.filter(({ opType }) => opType === "QuantizeLinear").at(-1)!;
    const step = model.graph.initializers.get(quantizeOutput.inputs[1]!)!.numbers()[0]!;
    const literal = await run(model, { optimization: "disabled" });
    const careful = await run(model, { disabledOptimizers: ["WeightBiasQuantization"] });
    const careless = await run(model, {});
    expect(stepsApart(careful, literal, step)).toBeLessThanOrEqual(1.01);
    expect(stepsApart(careless, literal, step)).toBeGreaterThan(50);
  });
});
