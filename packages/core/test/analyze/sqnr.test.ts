import { describe, expect, it } from "vitest";
import { compareSqnr, type LayerSqnr, measureSqnr, type SqnrReport } from "../../src/analyze/index.js";
import { type Dataset, randomDataset } from "../../src/data/index.js";
import { cloneModel, type Model, Tensor } from "../../src/graph/index.js";
import type { Encoding } from "../../src/math/index.js";
import { applyQdq, type LayerParameters, planQuantization, type QuantizationPlan } from "../../src/quantize/index.js";
import { exposeValues, type Runner } from "../../src/runtime/index.js";
import { NETWORKS } from "../helpers/networks.js";
import { calibrated, quantized, runner } from "../helpers/quantized.js";

const context = { runner };
const DATA = randomDataset([3, 8, 8], 10, 21, { min: -1, max: 2 });

/** The whole value over all samples, graph run literally. */
async function valuesOf(model: Model, value: string, dataset: Dataset = DATA): Promise<Float32Array> {
  const size = dataset.shape.reduce((a, b) => a * b, 1);
  const data = new Float32Array(dataset.length * size);
  for (let i = 0; i < dataset.length; i++) await dataset.fill(i, data, i * size);
  const feeds = { input: { dtype: "float32", dims: [dataset.length, ...dataset.shape], data } as const };
  const options = { optimization: "disabled" } as const;
  const result = await runner.using(exposeValues(model, [value]), (session) => session.run(feeds), options);
  return result[value]!.data as Float32Array;
}

/** scale·(clamp(round(x/scale) + z) − z) by the definition, one value at a time, ties to even. */
function fakeQuantized(values: Float32Array, encoding: Encoding): Float32Array {
  const scale = encoding.scale[0]!;
  const zeroPoint = encoding.zeroPoint[0]!;
  return values.map((value) => {
    const steps = Math.fround(value / scale);
    const floor = Math.floor(steps);
    const up = steps - floor > 0.5 || (steps - floor === 0.5 && floor % 2 !== 0);
    const q = Math.min(encoding.qmax, Math.max(encoding.qmin, floor + (up ? 1 : 0) + zeroPoint));
    return Math.fround(scale * (q - zeroPoint));
  });
}

function naiveDb(signal: Float32Array, noisy: Float32Array): number {
  let power = 0;
  let noise = 0;
  signal.forEach((value, i) => {
    power += value * value;
    noise += (value - noisy[i]!) ** 2;
  });
  return 10 * Math.log10(power / noise);
}

/** The float model with the integers of some layers' weights and biases put back into float. */
function withRoundedParameters(source: Model, parameters: readonly LayerParameters[]): Model {
  const model = cloneModel(source);
  for (const { layer, weight, bias } of parameters) {
    const floats = (data: Tensor, { scale, zeroPoint, axis }: Encoding) => {
      const inner = axis === null ? 1 : data.dims.slice(axis + 1).reduce((a, b) => a * b, 1);
      const values = data.numbers().map((q, at) => {
        const channel = axis === null ? 0 : Math.floor(at / inner) % scale.length;
        return (q - zeroPoint[channel]!) * scale[channel]!;
      });
      return Tensor.float32(data.dims, values);
    };
    model.graph.initializers.set(layer.weight, floats(weight.data, weight.encoding));
    if (bias?.data) model.graph.initializers.set(layer.bias!, floats(bias.data, bias.encoding!));
  }
  return model;
}

/** Every figure of a layer by its definition, each from a network of its own. */
async function naive(model: Model, plan: QuantizationPlan, { value, layer }: LayerSqnr) {
  const own = plan.parameters.filter((parameters) => parameters.layer.node.name === layer);
  const encoding = plan.activations.get(value);
  const float = await valuesOf(model, value);
  const rounded = await valuesOf(withRoundedParameters(model, own), value);
  const qdq = cloneModel(model);
  // applyQdq changes the nodes of the plan's model: plan again on the copy.
  applyQdq(qdq, planQuantization(qdq, await calibrated(model, DATA, OPTIONS), OPTIONS));
  const qdqActivations = cloneModel(model);
  const activations = planQuantization(qdqActivations, await calibrated(model, DATA, OPTIONS), OPTIONS);
  applyQdq(qdqActivations, { ...activations, parameters: [] });
  const dequantized = (graph: Model) => {
    const quantize = graph.graph.nodes.find((node) => node.opType === "QuantizeLinear" && node.inputs[0] === value);
    const dequantize = graph.graph.nodes.find(({ inputs }) => inputs[0] === quantize?.outputs[0]);
    return valuesOf(graph, dequantize?.outputs[0] ?? value);
  };
  return {
    local: {
      weights: naiveDb(float, rounded),
      activations: encoding ? naiveDb(float, fakeQuantized(float, encoding)) : null,
      both: naiveDb(float, encoding ? fakeQuantized(rounded, encoding) : rounded),
    },
    cumulative: {
      weights: naiveDb(float, await valuesOf(withRoundedParameters(model, plan.parameters), value)),
      // A layer whose own output stays float still gets noise from those before it.
      activations: naiveDb(float, await dequantized(qdqActivations)),
      both: naiveDb(float, await dequantized(qdq)),
    },
  };
}

const OPTIONS = { granularity: "per-tensor", weightBits: 6 } as const;

function expectClose(actual: LayerSqnr, expected: Awaited<ReturnType<typeof naive>>): void {
  // Sums in another order now and then round a value to the next step, which later layers of so few values show.
  const toleranceDb = { local: 0.05, cumulative: 1 };
  for (const place of ["local", "cumulative"] as const) {
    for (const kind of ["weights", "activations", "both"] as const) {
      const [a, e] = [actual[place]![kind], expected[place][kind]];
      const what = `${actual.layer} ${place} ${kind}`;
      if (e === null) expect(a, what).toBeNull();
      else expect(Math.abs(a! - e), what).toBeLessThan(toleranceDb[place]);
    }
  }
}

describe("measureSqnr", () => {
  for (const name of ["residual", "gate", "bounded", "floatBetween"]) {
    it(`${name}: every figure equals its definition, measured on a network of its own`, async () => {
      const model = NETWORKS[name]!();
      const plan = planQuantization(model, await calibrated(model, DATA, OPTIONS), OPTIONS);
      const report = await measureSqnr(model, { plan }, { ...context, data: DATA });
      expect(report.layers.map(({ layer }) => layer)).toEqual(plan.parameters.map(({ layer }) => layer.node.name));
      for (const layer of report.layers) expectClose(layer, await naive(model, plan, layer));
    });
  }

  it("does not depend on batch size, on how layers are split over graphs, or on graph optimizations", async () => {
    const model = NETWORKS.inception!();
    const plan = planQuantization(model, await calibrated(model, DATA, OPTIONS), OPTIONS);
    const whole = await measureSqnr(model, { plan }, { ...context, data: DATA });
    let graphs = 0;
    const literal: Runner = {
      ...runner,
      using: (graph, use, options) => {
        if (options?.purpose === "measureSqnr") graphs++;
        return runner.using(graph, use, { ...options, optimization: "disabled" });
      },
    };
    const parts = await measureSqnr(model, { plan, memoryBytes: 30_000 }, { runner: literal, data: DATA });
    expect(graphs).toBeGreaterThan(2);
    const one = await measureSqnr(model, { plan, batchSize: 1 }, { ...context, data: DATA });
    for (const [at, layer] of whole.layers.entries()) {
      for (const other of [parts, one]) {
        for (const kind of ["weights", "activations", "both"] as const) {
          expect(other.layers[at]!.local[kind] ?? 0).toBeCloseTo(layer.local[kind] ?? 0, 2);
          expect(other.layers[at]!.cumulative![kind] ?? 0).toBeCloseTo(layer.cumulative![kind] ?? 0, 1);
        }
      }
    }
  });

  it("takes options instead of a plan, and leaves the model alone", async () => {
    const model = NETWORKS.chain!();
    const nodes = model.graph.nodes.length;
    const plan = planQuantization(model, await calibrated(model, DATA, OPTIONS), OPTIONS);
    const byPlan = await measureSqnr(model, { plan, cumulative: false }, { ...context, data: DATA });
    const byOptions = await measureSqnr(model, { plan: OPTIONS, cumulative: false }, { ...context, data: DATA });
    expect(byOptions).toEqual(byPlan);
    expect(byPlan.layers.every(({ cumulative }) => cumulative === null)).toBe(true);
    expect(model.graph.nodes.length).toBe(nodes);
  });

  it("takes the plan of a model that was already quantized with it", async () => {
    const { floatModel, plan } = await quantized(NETWORKS.chain!(), DATA, OPTIONS);
    const fresh = planQuantization(floatModel, await calibrated(floatModel, DATA, OPTIONS), OPTIONS);
    const options = { cumulative: true, perChannel: true };
    const applied = await measureSqnr(floatModel, { plan, ...options }, { ...context, data: DATA });
    expect(applied).toEqual(await measureSqnr(floatModel, { plan: fresh, ...options }, { ...context, data: DATA }));
  });

  it("by channel: ratios of every channel, whose powers add up to the layer's", async () => {
    const model = NETWORKS.chain!();
    const report = await measureSqnr(
      model,
      { plan: { ...OPTIONS, granularity: "per-channel" }, perChannel: true },
      { ...context, data: DATA },
    );
    const { channels, value, local } = report.layers[0]!;
    const float = await valuesOf(model, value);
    const power = (c: number) => {
      let sum = 0;
      float.forEach((x, i) => {
        if (Math.floor(i / 64) % 6 === c) sum += x * x;
      });
      return sum;
    };
    expect(channels!.weights.length).toBe(6);
    const noise = channels!.weights.reduce((sum, db, c) => sum + power(c) / 10 ** (db / 10), 0);
    const signal = [0, 1, 2, 3, 4, 5].reduce((sum, c) => sum + power(c), 0);
    expect(10 * Math.log10(signal / noise)).toBeCloseTo(local.weights, 2);
  });

  it("is JSON and lists culprits and victims in order", async () => {
    const report = await measureSqnr(NETWORKS.residual!(), { plan: OPTIONS }, { ...context, data: DATA });
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    expect(report).toMatchObject({ schema: "equant.sqnr/1", samples: 10, random: true, skipped: [] });
    const local = report.culprits.map(({ localDb }) => localDb);
    expect(local).toEqual(local.toSorted((a, b) => a - b));
    expect(local.length).toBe(report.layers.length);
    for (const { localDb, cumulativeDb } of report.victims) expect(localDb - cumulativeDb).toBeGreaterThan(3);
    expect(report.victims.length).toBeGreaterThan(0);
  });

  it("names what is wrong", async () => {
    const model = NETWORKS.chain!();
    const call = (options: object, using: object = context) =>
      measureSqnr(model, { plan: OPTIONS, ...options }, { ...using, data: DATA });
    await expect(call({ sample: 3 })).rejects.toMatchObject({ code: "E2001" });
    await expect(call({ samples: 0.5 })).rejects.toMatchObject({ code: "E2002" });
    await expect(call({}, {})).rejects.toMatchObject({ code: "E4005" });
    await expect(call({}, { runner, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "E6005" });
  });
});

describe("findings", () => {
  const report = async (change: (model: Model) => void, edit = (plan: QuantizationPlan) => plan) => {
    const model = NETWORKS.chain!();
    change(model);
    const plan = planQuantization(model, await calibrated(model, DATA, OPTIONS), OPTIONS);
    return measureSqnr(model, { plan: edit(plan), cumulative: false }, { ...context, data: DATA });
  };
  const kinds = ({ layers }: SqnrReport) => layers[0]!.findings.map(({ kind }) => kind);
  const scale = (model: Model, input: number, factor: (channel: number) => number, length: number) => {
    const name = model.graph.nodes[0]!.inputs[input]!;
    const tensor = model.graph.initializers.get(name)!;
    const values = (tensor.array() as Float32Array).map((value, at) => value * factor(Math.floor(at / length)));
    model.graph.initializers.set(name, Tensor.float32(tensor.dims, values));
  };

  it("says nothing about a healthy layer", async () => {
    expect(kinds(await report(() => {}))).toEqual([]);
  });

  it("counts output channels whose weights round to zero, and the channel that takes the range", async () => {
    const found = await report((model) => scale(model, 1, (c) => [1000, 1, 1, 0, 1, 1][c]!, 27));
    expect(found.layers[0]!.findings.slice(0, 2)).toMatchObject([
      { kind: "zeroWeightChannels", text: "weights: 4/6 channels all zero" },
      { kind: "dominantWeightChannel" },
    ]);
  });

  it("counts channels whose output lies within half a step", async () => {
    const shrink = (c: number) => (c === 2 ? 1e-4 : 1);
    const found = await report((model) => {
      scale(model, 1, shrink, 27);
      scale(model, 2, shrink, 1);
    });
    expect(kinds(found)).toContain("lostActivationChannels");
    const { text } = found.layers[0]!.findings.find(({ kind }) => kind === "lostActivationChannels")!;
    expect(text).toBe("activations: 1/6 channels lost below half a step");
  });

  it("gives the share of values beyond the encoding", async () => {
    const halved = (plan: QuantizationPlan) => {
      const activations = new Map(plan.activations);
      const value = [...activations.keys()][1]!;
      const encoding = activations.get(value)!;
      activations.set(value, { ...encoding, scale: encoding.scale.map((x) => x / 2) });
      return { ...plan, activations };
    };
    const found = await report(() => {}, halved);
    const overflow = found.layers[0]!.findings.find(({ kind }) => kind === "overflow")!;
    const values = await valuesOf(NETWORKS.chain!(), found.layers[0]!.value);
    const limit = values.reduce((a, b) => Math.max(a, b), 0) / 2;
    const share = values.filter((value) => value > limit).length / values.length;
    expect(Math.abs(overflow.amount / share - 1)).toBeLessThan(0.05);
  });
});

describe("compareSqnr", () => {
  it("puts states side by side, sorted as the first one is", async () => {
    const model = NETWORKS.chain!();
    const six = await measureSqnr(model, { plan: { weightBits: 6 } }, { ...context, data: DATA });
    const eight = await measureSqnr(model, { plan: { weightBits: 8 }, cumulative: false }, { ...context, data: DATA });
    const curves = compareSqnr({ six, eight });
    expect(curves.layers).toEqual(["a", "b", "fc"]);
    expect(curves.states.map(({ state }) => state)).toEqual(["six", "eight"]);
    const [first, second] = curves.states;
    expect(first!.weights).toEqual(six.layers.map(({ local }) => local.weights));
    expect(second!.weights.every((db, at) => db > first!.weights[at]! + 6)).toBe(true);
    expect([first!.cumulative.length, second!.cumulative.length]).toEqual([3, 0]);
    const sorted = curves.order.weights.map((at) => first!.weights[at]!);
    expect(sorted).toEqual(first!.weights.toSorted((a, b) => b - a));
    // The last layer's output stays float.
    expect(first!.activations[2]).toBeNull();
    expect(curves.order.activations.toSorted()).toEqual([0, 1]);
    expect(curves.optimal.weights).toEqual(six.layers.map(({ weight }) => weight.optimalDb));
  });

  it("wants reports of one network", () => {
    expect(() => compareSqnr({})).toThrow(expect.objectContaining({ code: "E2002" }));
  });
});
