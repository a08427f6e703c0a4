import { describe, expect, it } from "vitest";
import { randomDataset } from "../../src/data/index.js";
import { channelSensitivity } from "../../src/gradient/index.js";
import { cloneModel, type Model } from "../../src/graph/index.js";
import { exposeValues } from "../../src/runtime/index.js";
import { testModel } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";

/** Conv → HardSwish → Conv → mean over space, with `outputs` scores. */
function network(outputs: number, softmax = false): Model {
  const t = testModel(3);
  const x = t.builder.input("x", ["N", 2, 4, 4]);
  const y = t.builder.node("Conv", [x, t.random([3, 2, 1, 1], "a", 0.8), t.random([3], "b")], {});
  const z = t.builder.node("Conv", [t.builder.node("HardSwish", [y]), t.random([outputs, 3, 1, 1], "c", 0.8)]);
  const mean = t.builder.node("Flatten", [t.builder.node("GlobalAveragePool", [z])]);
  t.builder.output(softmax ? t.builder.node("Softmax", [mean]) : mean);
  return t.model;
}

const data = (samples: number) => randomDataset([2, 4, 4], samples, 5, { min: -2, max: 2 });

/** Independent reference: Σ over samples, positions and outputs of (∂o/∂y)² by differences, over Σ o². */
async function byDifferences(model: Model, value: string, samples: number): Promise<number[]> {
  const dataset = data(samples);
  const input = new Float32Array(samples * 32);
  for (let at = 0; at < samples; at++) await dataset.fill(at, input, at * 32);
  const output = model.graph.outputs[0]!.name;
  const feeds = { x: { dtype: "float32" as const, dims: [samples, 2, 4, 4], data: input } };
  const seen = await runner.using(exposeValues(model, [value, output]), (session) => session.run(feeds));
  const tail = cloneModel(model);
  tail.graph.nodes = tail.graph.nodes.filter(({ outputs }) => !outputs.includes(value));
  tail.graph.inputs = [{ name: value, dtype: "float32", shape: ["N", 3, 4, 4] }];
  const y = seen[value]!.data as Float32Array;
  const base = seen[output]!.data as Float32Array;
  const power = base.reduce((sum, o) => sum + o * o, 0);
  const step = 1e-2;
  return runner.using(tail, async (session) => {
    const sums = [0, 0, 0];
    for (let element = 0; element < 48; element++) {
      const moved = y.slice();
      for (let at = element; at < moved.length; at += 48) moved[at] = moved[at]! + step;
      const result = await session.run({ [value]: { dtype: "float32", dims: [samples, 3, 4, 4], data: moved } });
      (result[output]!.data as Float32Array).forEach((o, at) => {
        sums[Math.floor(element / 16)]! += ((o - base[at]!) / step) ** 2 / power;
      });
    }
    return sums;
  });
}

describe("sensitivity of the outputs by channel", () => {
  it("is the sum of squared derivatives over the outputs' power: exact for one output", async () => {
    const model = network(1);
    const value = model.graph.nodes[0]!.outputs[0]!;
    const request = [{ value, axes: [1] }];
    const found = (await channelSensitivity(model, request, data(8), { runner }, { samples: 8 })).drawn.get(value)!;
    const expected = await byDifferences(model, value, 8);
    found.forEach((g, channel) => {
      expect(g / expected[channel]!).toBeCloseTo(1, 1);
    });
  });

  it("is right in the mean for several outputs, and looks behind a Softmax", async () => {
    const model = network(4);
    const value = model.graph.nodes[0]!.outputs[0]!;
    const expected = await byDifferences(model, value, 64);
    const request = [{ value, axes: [1] }];
    const found = (await channelSensitivity(model, request, data(64), { runner }, { samples: 64 })).drawn.get(value)!;
    found.forEach((g, channel) => {
      expect(Math.abs(Math.log(g / expected[channel]!))).toBeLessThan(0.4);
    });
    const probabilities = network(4, true);
    const behind = await channelSensitivity(probabilities, request, data(64), { runner }, { samples: 64 });
    expect(behind.drawn.get(value)).toEqual(found);
  });

  it("tells what positions share in the same runs, and is the same with it", async () => {
    const model = network(4);
    const value = model.graph.nodes[0]!.outputs[0]!;
    const request = [{ value, axes: [1] }];
    const alone = await channelSensitivity(model, request, data(8), { runner }, { samples: 8 });
    const both = await channelSensitivity(model, request, data(8), { runner }, { samples: 8, shared: true });
    expect(alone.shared).toBeUndefined();
    expect(both.drawn).toEqual(alone.drawn);
    // Where derivatives of many positions add up, more comes of noise that they share.
    expect(both.shared!.get(value)!.length).toBe(alone.drawn.get(value)!.length);
    expect(both.shared).not.toEqual(both.drawn);
  });

  it("leaves out values that reach no output", async () => {
    const model = network(1);
    const found = await channelSensitivity(model, [{ value: "nowhere", axes: [1] }], data(2), { runner });
    expect([...found.drawn.keys()]).toEqual([]);
  });
});
