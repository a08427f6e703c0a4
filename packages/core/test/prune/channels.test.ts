import { describe, expect, it } from "vitest";
import {
  cloneModel,
  type Dataset,
  GraphBuilder,
  int,
  ints,
  type Model,
  macsOf,
  observeShapes,
  type PruneOptions,
  prune,
  shrink,
  Tensor,
  zeroFeeds,
} from "../../src/lab.js";
import { taylorChannelScores } from "../../src/prune/channel-taylor.js";
import { channelUnits } from "../../src/shrink/channel-units.js";
import { batchNorm, testModel } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";
import { driftOf, shapesOf } from "../shrink/helpers.js";
import { bands, smallNetwork, weightsOf } from "../train/small.js";

const context = { runner };

/** Stem – residual block with a depthwise layer and BatchNormalization – Flatten – Gemm, on [N, 1, 6, 6]. */
function residual(): Model {
  const test = testModel(6);
  const { builder, model } = test;
  const conv = (data: string, name: string, from: number, to: number, group = 1) =>
    builder.node(
      "Conv",
      [data, test.random([to, from / group, 3, 3], `${name}.w`, 0.4), test.random([to], `${name}.b`, 0.2)],
      { pads: ints([1, 1, 1, 1]), group: int(group) },
      { name },
    );
  const relu = (data: string) => builder.node("Relu", [data]);
  const stem = relu(conv(builder.input("input", ["N", 1, 6, 6]), "stem", 1, 8));
  const wide = relu(batchNorm(test, conv(stem, "expand", 8, 16), 16, "bn"));
  const deep = relu(conv(wide, "depthwise", 16, 16, 16));
  const sum = builder.node("Add", [stem, conv(deep, "project", 16, 8)]);
  const flat = builder.node("Flatten", [relu(sum)]);
  const fc = [flat, test.random([3, 8 * 36], "fc.w", 0.1), test.random([3], "fc.b")];
  builder.output(builder.node("Gemm", fc, { transB: int(1) }, { name: "fc" }), "float32", ["N", 3]);
  return model;
}

describe("channels", () => {
  it("come in units of what is coupled", async () => {
    const model = residual();
    const { units } = channelUnits(model, await shapesOf(model));
    expect(units.map(({ producers, groups }) => [producers.map(({ node }) => node.name), groups.length])).toEqual([
      [["stem", "project"], 8],
      [["expand", "depthwise"], 16],
    ]);
  });

  it.each<PruneOptions>([
    { method: "magnitude" },
    { method: "synflow", scope: "layer" },
    { method: "taylor", count: "macs" },
    { method: "random", channelMultiple: 4 },
  ])("%j: the shrunk network is the masked one", async (options) => {
    const model = residual();
    const all: PruneOptions = { ...options, granularity: "channels", sparsity: 0.5, steps: 3 };
    const { model: masked, channels, iterations } = await prune(model, all, { ...context, data: bands(32) });
    const small = cloneModel(masked);
    const shapes = await observeShapes(small, zeroFeeds(small), { runner });
    const report = await shrink({ remove: channels, shapes })(small, context);
    expect(report.skipped).toEqual([]);
    expect(await driftOf(masked, small, 3)).toBeLessThan(1e-5);
    const left = macsOf(small, report.shapes).total / macsOf(model, shapes).total;
    expect(iterations.at(-1)!.macsSaved).toBeCloseTo(1 - left, 6);
    const countAt = (name: string) => channels.get(outputOf(model, name))?.length ?? 0;
    const removed = [countAt("stem"), countAt("expand")];
    if (options.count === "macs") expect(left).toBeLessThanOrEqual(0.5);
    else if (options.channelMultiple) expect(removed.map((count) => count % 4)).toEqual([0, 0]);
    else expect(removed[0]! + removed[1]!).toBe(12);
    if (options.scope === "layer") expect(removed).toEqual([4, 8]);
    expect(channels.get(outputOf(model, "project"))).toEqual(channels.get(outputOf(model, "stem")));
  });

  it("the last channel, or block, of a layer stays", async () => {
    const options = { method: "magnitude", granularity: "channels", sparsity: 0.99, steps: 1 } as const;
    const { channels } = await prune(residual(), options, context);
    expect([...channels.values()].map(({ length }) => length).sort((a, b) => a - b)).toEqual([7, 7, 15, 15]);
    const blocks = await prune(residual(), { ...options, channelMultiple: 8 }, context);
    expect([...blocks.channels.values()].map(({ length }) => length)).toEqual([8, 8]);
  });

  it("of a network that cannot lose any are refused", async () => {
    const { model, builder } = GraphBuilder.model("single");
    const weight = builder.constant(Tensor.float32([3, 2], [1, 2, 3, 4, 5, 6]));
    builder.output(builder.node("MatMul", [builder.input("input", ["N", 3]), weight]), "float32", ["N", 2]);
    const failure = prune(model, { method: "magnitude", granularity: "channels" }, context);
    await expect(failure).rejects.toMatchObject({ code: "E4005" });
  });
});

describe("Taylor scores of channels", () => {
  it.each([false, true])(
    "are mean |dL/dgate| over samples, by central differences; batch-norm %s",
    async (normalized) => {
      const model = smallNetwork({ seed: 8, batchNorm: normalized });
      const data = bands(12);
      const units = channelUnits(model, await shapesOf(model));
      const names = ["conv.weight", "conv.bias", "fc.weight", "fc.bias"];
      const values = new Map(names.map((name) => [name, weightsOf(model, name)]));
      const scores = await taylorChannelScores(model, units, values, data, context);
      // A factor on what makes a channel is a gate on the channel: rows of the layer, or scale and shift behind it.
      const made = normalized ? ["bn.scale", "bn.bias"] : ["conv.weight", "conv.bias"];
      const groups = units.groups.ofValue.get(outputOf(model, "conv"))!;
      for (let channel = 0; channel < 4; channel++) {
        const gated = (factor: number) => {
          const copy = cloneModel(model);
          for (const name of made) {
            const { dims } = copy.graph.initializers.get(name)!;
            const size = dims.slice(1).reduce((a, b) => a * b, 1);
            const own = weightsOf(model, name).map((value, i) =>
              Math.floor(i / size) === channel ? value * factor : value,
            );
            copy.graph.initializers.set(name, Tensor.float32(dims, own));
          }
          return lossesOf(copy, data);
        };
        const [up, down] = [await gated(1.01), await gated(0.99)];
        const mean = up.reduce((sum, loss, i) => sum + Math.abs(loss - down[i]!) / 0.02, 0) / up.length;
        expect(Math.abs(scores.get(groups[channel]!)! - mean)).toBeLessThan(0.01 * mean + 2e-3);
      }
    },
  );
});

const outputOf = (model: Model, name: string) => model.graph.nodes.find((node) => node.name === name)!.outputs[0]!;

/** Cross-entropy of every sample by itself. */
async function lossesOf(model: Model, data: Dataset): Promise<number[]> {
  const samples = new Float32Array(data.length * 36);
  for (let i = 0; i < data.length; i++) data.fill(i, samples, i * 36);
  const input = { dtype: "float32" as const, dims: [data.length, 1, 6, 6], data: samples };
  const logits = await runner.using(model, async (session) => Object.values(await session.run({ input }))[0]!.data);
  return Array.from({ length: data.length }, (_, i) => {
    const row = Array.from(logits.slice(3 * i, 3 * i + 3), Number);
    return Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0)) - row[data.label!(i)]!;
  });
}
