import { readFileSync } from "node:fs";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import {
  calibrate,
  cloneModel,
  type Dataset,
  deadChannelValues,
  EQUALIZE_METHODS,
  type EqualizationInput,
  type EqualizeMethod,
  type EqualizeReport,
  equalizationInput,
  equalize,
  linearLayers,
  type Model,
  OutputProbe,
  type PreprocessOptions,
  parseModel,
  prepareModel,
  quantizationRequests,
  quantize,
  randomDataset,
  removeDeadChannels,
  spread,
} from "../../src/lab.js";
import { openDataset, sharpDecoder } from "../../src/node.js";
import { runner } from "../helpers/runner.js";
import { SHARED_MODELS, sharedModel, sharedPath } from "../helpers/shared.js";
import { shapesOf } from "../shrink/helpers.js";

type Name = (typeof SHARED_MODELS)[number];
const context = { runner };

interface Source {
  readonly data?: string;
  readonly shape: readonly number[];
  /** For statistics and for the comparison of outputs. */
  readonly samples: number;
  readonly preset?: PreprocessOptions["preset"];
  /** What the input may hold, for random samples. */
  readonly range: { min: number; max: number };
}

const SOURCES: Readonly<Record<Name, Source>> = {
  ad_autoencoder: { samples: 100, shape: [640], range: { min: -85, max: 15 } },
  cifar_resnet20: {
    data: "cifar10/calib",
    samples: 100,
    shape: [3, 32, 32],
    preset: "imagenet",
    range: { min: -2, max: 2 },
  },
  mlperf_resnet8: {
    data: "cifar10/calib",
    samples: 100,
    shape: [3, 32, 32],
    preset: "raw",
    range: { min: 0, max: 255 },
  },
  "mobilenet_v1_0.75_224": {
    data: "imagenet-sample",
    samples: 16,
    shape: [3, 224, 224],
    preset: "tf",
    range: { min: -1, max: 1 },
  },
  "mobilenet_v2_0.35_224_cifar10head": {
    data: "cifar10/calib",
    samples: 16,
    shape: [3, 224, 224],
    preset: "tf",
    range: { min: -1, max: 1 },
  },
  vww_mobilenet_025: { samples: 32, shape: [3, 96, 96], range: { min: 0, max: 1 } },
};

/** Five consecutive frames a sample, out of the one clip there is. */
function frames(): Dataset {
  const file = readFileSync(sharedPath("data", "ad-toycar-sample/normal_id_01_00000000.f32"));
  const values = new Float32Array(file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength));
  return {
    length: 196,
    shape: [640],
    id: (index) => `frame ${index}`,
    fill: async (index, out, offset) => out.set(values.subarray(128 * index, 128 * (index + 5)), offset),
  };
}

async function samplesOf(name: Name, samples: number): Promise<Dataset> {
  const { data, shape, preset, range } = SOURCES[name];
  if (name === "ad_autoencoder") return spread(frames(), samples);
  if (data === undefined) return randomDataset(shape, samples, 1, range);
  return openDataset(sharedPath("data", data), {
    input: { shape },
    decode: sharpDecoder(sharp),
    preprocess: { preset: preset! },
    samples,
  });
}

interface Outcome {
  readonly report: EqualizeReport;
  readonly changedLayers: number;
  /** Drift of the float outputs on real (where there are) and on random input. */
  readonly drift: number;
  readonly randomDrift: number;
  /** Outputs of the int8 model, weights per tensor, against the float model. */
  readonly sqnrDb: number;
}

async function quantizedSqnr(model: Model, dataset: Dataset, probe: OutputProbe): Promise<number> {
  const calibration = await calibrate(
    model,
    { requests: quantizationRequests(model, {}) },
    { ...context, data: dataset },
  );
  const copy = cloneModel(model);
  await quantize({ calibration, granularity: "per-tensor" })(copy, context);
  return (await probe.measure(copy, context)).sqnrDb;
}

async function outcome(
  original: Model,
  method: EqualizeMethod,
  input: EqualizationInput,
  dataset: Dataset,
  probes: { real: OutputProbe; random: OutputProbe },
): Promise<Outcome> {
  const model = cloneModel(original);
  const report = await equalize({ method, ...input })(model, context);
  const before = linearLayers(original.graph);
  const changed = linearLayers(model.graph).filter(
    ({ tensor }, k) => !Buffer.from(tensor.bytes()).equals(Buffer.from(before[k]!.tensor.bytes())),
  );
  const disabled = { optimization: "disabled" } as const;
  return {
    report,
    changedLayers: changed.length,
    drift: (await probes.real.measure(model, context, disabled)).maxDrift,
    randomDrift: (await probes.random.measure(model, context, disabled)).maxDrift,
    sqnrDb: await quantizedSqnr(model, dataset, probes.real),
  };
}

describe.each(SHARED_MODELS)("%s, dead channels removed, weights per tensor", (name) => {
  const outcomes = new Map<EqualizeMethod, Outcome>();
  /** Processor time of `optimal`, weights alone, no session open: unlike the clock it does not grow when the machine is busy. */
  let optimalCpuMs = 0;

  beforeAll(async () => {
    const model = parseModel(new Uint8Array(readFileSync(sharedModel(name))));
    await prepareModel(model, context);
    const dataset = await samplesOf(name, SOURCES[name].samples);
    const requests = deadChannelValues(model, await shapesOf(model)).map((value) => ({
      value,
      moments: false,
      exactMinimum: true,
      histogram: false,
    }));
    const stats = (await calibrate(model, { requests }, { ...context, data: dataset })).activationStats();
    await removeDeadChannels({ shapes: await shapesOf(model), stats })(model, context);
    const input = await equalizationInput(
      model,
      await shapesOf(model),
      { granularity: "per-tensor" },
      { ...context, data: dataset },
    );
    const random = randomDataset(SOURCES[name].shape, 2, 5, SOURCES[name].range);
    const probes = {
      real: await OutputProbe.of(cloneModel(model), dataset, context, dataset.length),
      random: await OutputProbe.of(cloneModel(model), random, context),
    };
    const used = process.cpuUsage();
    await equalize({ ...input, probes: [] })(cloneModel(model), {});
    const { user, system } = process.cpuUsage(used);
    optimalCpuMs = (user + system) / 1000;
    for (const method of EQUALIZE_METHODS) {
      outcomes.set(method, await outcome(model, method, input, dataset, probes));
    }
  });

  it.each(EQUALIZE_METHODS)(
    "%s: the float outputs stay within 1e-4 of their range, and weights did change",
    (method) => {
      const { drift, randomDrift, changedLayers, report } = outcomes.get(method)!;
      // The autoencoder's outputs are small differences of large terms: 1.2e-4 on one frame in a hundred. Two float32 evaluations of
      // the untouched network (ONNX Runtime and NumPy) differ by 9.8e-5 already. Powers of two cost it 5 dB.
      expect(drift).toBeLessThanOrEqual(name === "ad_autoencoder" ? 1.5e-4 : 1e-4);
      expect(randomDrift).toBeLessThanOrEqual(1e-4);
      expect(changedLayers > 0).toBe(report.modified);
      // A greedy method may find nothing that lowers the noise: then everything it did is taken back, and said.
      if (method === "optimal" || report.undone.length === 0) expect(changedLayers).toBeGreaterThan(0);
    },
  );

  it("optimal: proved, in time, and no method's predicted noise is lower", () => {
    const { report } = outcomes.get("optimal")!;
    expect(report.proof!.gap).toBeLessThanOrEqual(0.02);
    // 6 s on a machine of its own; where cores are shared with others the same work takes twice the processor time.
    expect(optimalCpuMs).toBeLessThan(15_000);
    for (const { report: other } of outcomes.values()) {
      expect(report.noise!.after).toBeLessThanOrEqual(other.noise!.after);
      expect(other.noise!.after).toBeLessThanOrEqual(other.noise!.before);
      expect(other.noise!.after).toBeGreaterThanOrEqual(report.proof!.lowerBound);
    }
  });

  // What is counted for a mean that shifts gives MobileNetV2 0.35 1.5 dB without corrected biases, and costs ResNet-8 1.6 of its 23.
  const tolerance = name === "mlperf_resnet8" ? 1.6 : 0.2;
  it(`optimal: int8 outputs as near the float ones as those of the best greedy method, to ${tolerance} dB`, () => {
    const greedy = EQUALIZE_METHODS.filter((method) => method !== "optimal").map((m) => outcomes.get(m)!.sqnrDb);
    // Above it the difference is one step of a probability at 0 or 1 (vww on random input), which moves by 3 dB with the samples.
    const least = Math.min(Math.max(...greedy) - tolerance, 60);
    expect(outcomes.get("optimal")!.sqnrDb, `greedy ${greedy.join(", ")}`).toBeGreaterThanOrEqual(least);
  });
});
