import { describe, expect, it } from "vitest";
import {
  applyMasks,
  buildDigitNetwork,
  calibrate,
  cloneModel,
  type Dataset,
  digitDataset,
  exposeValues,
  linearLayers,
  type Model,
  measureTop1,
  OptionsError,
  PreconditionError,
  type PruneOptions,
  prunableParameters,
  prune,
  type QuantizeOptions,
  quantizationRequests,
  quantize,
  TaylorScorer,
  Tensor,
  train,
  zeroFeeds,
} from "../../src/lab.js";
import { testModel } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";
import { bands, smallNetwork, weightsOf } from "../train/small.js";

const context = { runner };
const zeros = (values: ArrayLike<number>) => Array.from(values).filter((value) => value === 0).length;
const all = (model: Model) => prunableParameters(model).flatMap(({ name }) => [...weightsOf(model, name)]);

describe("iterations", () => {
  it.each(["magnitude", "synflow", "random", "taylor"] as const)("%s: exact sparsity, nested masks", async (method) => {
    const model = smallNetwork();
    const before = all(model);
    const n = before.length;
    const kept: number[][] = [];
    const evaluate = (pruned: Model) => {
      kept.push(all(pruned).map((value) => (value === 0 ? 0 : 1)));
      return 0.5;
    };
    const options: PruneOptions = { method, sparsity: 0.6, steps: 7, evaluate };
    const withData = { ...context, data: bands(40) };
    const result = await prune(model, options, withData);
    expect(all(model)).toEqual(before);
    result.iterations.forEach(({ iteration, target, sparsity, accuracy, layers }, k) => {
      expect(iteration).toBe(k + 1);
      expect(target).toBeCloseTo((0.6 * k) / 6, 12);
      // Taylor scores of weights behind a silent Relu are 0, and equal scores go together.
      if (method === "taylor") expect(sparsity * n).toBeGreaterThanOrEqual(Math.round(target * n) - 1e-9);
      else expect(sparsity * n).toBeCloseTo(Math.round(target * n), 9);
      expect(accuracy).toBe(0.5);
      expect(layers.reduce((sum, { removed }) => sum + removed, 0)).toBe(zeros(kept[k]!));
      if (k > 0) expect(kept[k]!.every((keep, i) => keep <= kept[k - 1]![i]!)).toBe(true);
    });
    for (const [k, own] of kept.entries()) {
      const selected = result.select(k + 1);
      expect(all(selected.model).map((value) => (value === 0 ? 0 : 1))).toEqual(own);
      expect(selected.iterations).toEqual(result.iterations.slice(0, k + 1));
    }
    for (const none of [0, 8, 1.5]) expect(() => result.select(none)).toThrow(OptionsError);
    // Masks lie beside the weights: the dense network has its old values, and masking it gives the pruned one.
    expect(all(result.dense)).toEqual(before);
    expect(all(applyMasks(result.dense, result.masks))).toEqual(all(result.model));
    const again = await prune(model, options, withData);
    expect(all(again.model)).toEqual(all(result.model));
  });

  it("magnitude in steps is magnitude at once", async () => {
    const model = smallNetwork({ seed: 3 });
    const magnitudes = all(model).map(Math.abs);
    const threshold = [...magnitudes].sort((a, b) => a - b)[Math.round(0.7 * magnitudes.length) - 1]!;
    for (const steps of [1, 6]) {
      const { model: pruned } = await prune(model, { method: "magnitude", sparsity: 0.7, steps }, {});
      expect(all(pruned)).toEqual(all(model).map((value) => (Math.abs(value) > threshold ? value : 0)));
    }
  });

  it("scope layer takes the same share of every layer; weights alone leave biases", async () => {
    const model = smallNetwork();
    const each = await prune(model, { method: "magnitude", scope: "layer", sparsity: 0.5, steps: 1 }, {});
    for (const { parameters, removed } of each.iterations[0]!.layers) expect(removed).toBe(Math.round(parameters / 2));
    const weights = await prune(model, { method: "magnitude", parameters: "weights", sparsity: 0.9, steps: 1 }, {});
    expect([...weightsOf(weights.model, "fc.bias")]).toEqual([...weightsOf(model, "fc.bias")]);
    expect(zeros(weightsOf(weights.model, "fc.weight")) + zeros(weightsOf(weights.model, "conv.weight"))).toBe(
      Math.round(0.9 * (108 + 36)),
    );
  });

  it("N:M holds exactly, step by step, and says which layers cannot have it", async () => {
    const { model, iterations, skipped } = await prune(
      smallNetwork(),
      { method: "magnitude", granularity: "1:4", steps: 4 },
      {},
    );
    expect(iterations.map(({ sparsity }) => sparsity)).toEqual([0, 0.25, 0.5, 0.75]);
    const weight = weightsOf(model, "fc.weight");
    for (let at = 0; at < weight.length; at += 4) expect(zeros(weight.subarray(at, at + 4))).toBe(3);
    expect(skipped).toEqual([{ node: "conv", opType: "Conv", reason: "1 input channels are no multiple of 4" }]);
    const dense = testModel(1);
    const input = dense.builder.input("input", ["N", 3]);
    dense.builder.output(dense.builder.node("MatMul", [input, dense.random([3, 2])]));
    await expect(prune(dense.model, { method: "magnitude", granularity: "2:4" }, {})).rejects.toThrow(
      PreconditionError,
    );
  });
});

describe("Taylor scores", () => {
  it("are |w·∂L/∂w|, by central differences", async () => {
    const model = smallNetwork({ seed: 4 });
    const data = bands(6);
    const names = prunableParameters(model).map(({ name }) => name);
    const scorer = await TaylorScorer.open(model, names, data, context);
    const scores = await scorer.score(new Map(names.map((name) => [name, weightsOf(model, name)])));
    await scorer.dispose();
    const loss = (changed: Model) => crossEntropyOf(changed, data);
    for (const name of names) {
      const values = weightsOf(model, name);
      for (const at of [0, Math.floor(values.length / 2), values.length - 1]) {
        const moved = (step: number) => {
          const copy = cloneModel(model);
          const own = values.slice();
          own[at]! += step;
          copy.graph.initializers.set(name, Tensor.float32(model.graph.initializers.get(name)!.dims, own));
          return loss(copy);
        };
        const slope = ((await moved(1e-2)) - (await moved(-1e-2))) / 2e-2;
        expect(scores.get(name)![at]).toBeCloseTo(Math.abs(values[at]! * slope), 3);
      }
    }
  });
});

/** Mean of −log softmax(z)[label], in float64 from the network's outputs. */
async function crossEntropyOf(model: Model, data: Dataset): Promise<number> {
  const samples = new Float32Array(data.length * 36);
  for (let i = 0; i < data.length; i++) data.fill(i, samples, i * 36);
  const feeds = { input: { dtype: "float32" as const, dims: [data.length, 1, 6, 6], data: samples } };
  const logits = await runner.using(model, async (session) => Object.values(await session.run(feeds))[0]!.data);
  let sum = 0;
  for (let i = 0; i < data.length; i++) {
    const row = Array.from(logits.slice(3 * i, 3 * i + 3), Number);
    sum += Math.log(row.reduce((total, z) => total + Math.exp(z), 0)) - row[data.label!(i)]!;
  }
  return sum / data.length;
}

describe("fine-tuning", () => {
  it.each([true, false])("respects masks, with labels %s, and what is hidden stays", async (labelled) => {
    const model = smallNetwork({ batchNorm: true });
    const data = bands(90, 1, labelled);
    const fineTune = { epochs: 2, rate: 0.05, batchSize: 30 };
    const tuned = await prune(
      model,
      { method: "magnitude", sparsity: 0.7, steps: 3, fineTune, evaluate: () => 1 },
      { ...context, data },
    );
    let moved = 0;
    for (const [name, mask] of tuned.masks) {
      const [pruned, dense, old] = [tuned.model, tuned.dense, model].map((own) => weightsOf(own, name));
      const keep = mask.array() as Float32Array;
      keep.forEach((kept, i) => {
        expect(pruned![i]).toBe(kept === 0 ? 0 : dense![i]);
        if (kept === 0) expect(dense![i]).not.toBe(0);
        else if (pruned![i] !== old![i]) moved++;
      });
    }
    expect(moved).toBeGreaterThan(20);
    expect(tuned.iterations.map(({ accuracyBefore }) => accuracyBefore)).toEqual([null, 1, 1]);
    expect(tuned.iterations.at(-1)!.sparsity).toBeGreaterThanOrEqual(0.69);
  });

  it("wins back what pruning lost", async () => {
    const data = bands(240, 3);
    const { model } = await train(smallNetwork(), { epochs: 6, rate: 0.1, batchSize: 24 }, { ...context, data });
    const evaluate = (pruned: Model) => measureTop1(pruned, {}, { ...context, data: bands(150, 9) });
    const options = { method: "magnitude", sparsity: 0.95, steps: 3, evaluate } as const;
    const plain = (await prune(model, options, context)).iterations.at(-1)!;
    const fineTune = { epochs: 3, rate: 0.1, batchSize: 24 };
    const tuned = (await prune(model, { ...options, fineTune }, { ...context, data })).iterations.at(-1)!;
    expect(tuned.accuracy!).toBeGreaterThan(plain.accuracy! + 0.05);
  });
});

describe("layer collapse", () => {
  /** The weights of the layer in the middle are smaller than all others. */
  const narrow = () => {
    const test = testModel(2);
    const { builder } = test;
    let value = builder.input("input", ["N", 8]);
    for (const [name, size] of [
      ["wide", 1],
      ["faint", 1e-3],
      ["last", 1],
    ] as const) {
      value = builder.node("Gemm", [value, test.random([8, 8], `${name}.w`, size)], {}, { name });
    }
    builder.output(value, "float32", ["N", 8]);
    return test.model;
  };

  it("is named at the iteration at which it happens", async () => {
    const { iterations } = await prune(narrow(), { method: "magnitude", sparsity: 0.5, steps: 4 }, {});
    expect(iterations.map(({ collapsed }) => collapsed)).toEqual([[], [], ["faint"], ["faint"]]);
    const failing = prune(narrow(), { method: "magnitude", sparsity: 0.5, steps: 4, onCollapse: "error" }, {});
    await expect(failing).rejects.toMatchObject({ code: "E7004", details: { node: "faint", iteration: 3 } });
  });

  it("does not happen to SynFlow", async () => {
    const { iterations } = await prune(narrow(), { sparsity: 0.9, steps: 30, schedule: "exponential" }, context);
    for (const { collapsed } of iterations) expect(collapsed).toEqual([]);
  });
});

describe("options", () => {
  it.each<[PruneOptions, string]>([
    [{ method: "taylor" }, "E2005"],
    [{ fineTune: {} }, "E2005"],
    [{ method: "magic" as never }, "E2004"],
    [{ granularity: "4:2" }, "E2004"],
    [{ granularity: "2:4", sparsity: 0.9 }, "E2002"],
    [{ sparsity: 1 }, "E2002"],
    [{ channelMultiple: 0 }, "E2002"],
    [{ epochs: 3 } as never, "E2001"],
  ])("%j is refused with %s", async (options, code) => {
    const failure = prune(smallNetwork(), options, context);
    await expect(failure).rejects.toThrow(OptionsError);
    await expect(failure).rejects.toMatchObject({ code });
  });

  it("a model without layers, and masks of another model, are refused", async () => {
    const test = testModel(1);
    test.builder.output(test.builder.node("Relu", [test.builder.input("input", ["N", 3])]));
    await expect(prune(test.model, {}, context)).rejects.toMatchObject({ code: "E4005" });
    const masks = new Map([["fc.weight", Tensor.float32([1], [1])]]);
    expect(() => applyMasks(smallNetwork(), masks)).toThrow(PreconditionError);
  });
});

describe("zeros stay exactly zero when the pruned network is quantized", () => {
  it.each<[string, QuantizeOptions]>([
    ["per channel", { granularity: "per-channel" }],
    ["per tensor, uint8 storage", { granularity: "per-tensor", weightStorage: "uint8" }],
    ["asymmetric weights", { weights: "uint8" }],
    ["4 bits, powers of two", { weightBits: 4, powerOfTwo: true }],
    ["emulation", { format: "emulation", weightBits: 5 }],
  ])("%s", async (_name, options) => {
    const { model } = await prune(buildDigitNetwork(1), { method: "magnitude", sparsity: 0.8, steps: 1 }, {});
    const float = cloneModel(model);
    const data = digitDataset({ seed: 0, count: 20 });
    const requests = quantizationRequests(model, options);
    await quantize({ calibration: await calibrate(model, { requests }, { ...context, data }), ...options })(
      model,
      context,
    );
    let checked = 0;
    for (const layer of linearLayers(float.graph)) {
      const node = model.graph.nodes.find(({ name }) => name === layer.node.name)!;
      // What the layer multiplies by, as the runtime sees it.
      const value = node.inputs[1]!;
      const multiplied =
        model.graph.initializers.get(value)?.array() ??
        (
          await runner.using(exposeValues(model, [value]), (session) => session.run(zeroFeeds(model)), {
            optimization: "disabled",
          })
        )[value]!.data;
      (layer.tensor.array() as Float32Array).forEach((weight, i) => {
        if (weight !== 0) return;
        checked++;
        if (multiplied[i] !== 0) throw new Error(`${layer.weight}[${i}] became ${multiplied[i]}`);
      });
    }
    expect(checked).toBeGreaterThan(15_000);
  });
});
