import { type Calibration, calibrate } from "../calibrate/index.js";
import { correctBiases, ensureBiases } from "../correct/index.js";
import { type Dataset, spread } from "../data/index.js";
import { type EqualizeOptions, equalize } from "../equalize/index.js";
import { DataError, throwIfAborted } from "../errors.js";
import { cloneModel, type Model, sizeOf } from "../graph/index.js";
import { argmax } from "../math/index.js";
import {
  applyEmulation,
  applyQdq,
  contextOf,
  planQuantization,
  type QuantizationPlan,
  type QuantizeOptions,
  quantizationRequests,
} from "../quantize/index.js";
import { Feed, forEachBatch, requireRunner, type TransformContext } from "../runtime/index.js";
import { shapesOf } from "../steps/collect.js";
import { applyFloatStep, type EqualizationInput, equalizationInput, prepareModel } from "../steps/index.js";

/** What is rounded: both is the network as it will run. */
const ABLATION_PARTS = ["both", "weights", "activations"] as const;
export type AblationPart = (typeof ABLATION_PARTS)[number];

/** How often a network's answer gets worse when it is rounded, over the measured samples. */
export interface Degradation {
  /** With labels: float top-1 − top-1, of the same samples; without: share of answers that changed. */
  readonly drop: number;
  /** 95 % interval of {@link drop}: normal, from the samples that only one of the two gets right. */
  readonly low: number;
  readonly high: number;
}

/** One way to prepare a network before it is quantized. */
export interface AblationColumn {
  readonly name: string;
  /** Predicted noise after it over before; undefined where nothing was scaled. */
  readonly noiseDb: number | undefined;
  /** Degradation of the float network itself, where the method changes its function. */
  readonly float: Degradation;
  readonly parts: Readonly<Record<AblationPart, Degradation>>;
  /** Both parts rounded, biases corrected afterwards. */
  readonly corrected: Degradation | undefined;
}

/** Tables 1 and 2 of Meller et al. 2019 for one network. */
export interface Ablation {
  readonly samples: number;
  readonly calibrationSamples: number;
  readonly labelled: boolean;
  /** Top-1 of the float network; undefined without labels. */
  readonly top1: number | undefined;
  readonly columns: readonly AblationColumn[];
  /** Cancelled before all methods were measured: `columns` has those that were. */
  readonly stopped: boolean;
}

/** Options for {@link ablate}. */
export interface AblateOptions {
  /** What is rounded, and how. Default: the paper's, target `hailo`: per tensor, 8 bits, 16-bit biases, minimum and maximum. */
  quantize?: QuantizeOptions;
  /** Samples for ranges, spread over the calibration data. Default: 64, as in the paper. */
  calibrationSamples?: number;
  /** Whether biases are corrected too. Default: true. */
  correct?: boolean;
}

const ABLATE_DEFAULTS = { quantize: { target: "hailo" }, calibrationSamples: 64, correct: true } as const;

type Method = EqualizeOptions & { readonly dead?: boolean };

/** Methods side by side: as published, then ours. ReLU6 rules make a difference only where there is a bounded activation. */
function methodsOf(model: Model): Readonly<Record<string, Method>> {
  const bounded = model.graph.nodes.some(({ opType }) => opType === "Clip");
  const greedy = (method: "one-step" | "two-step") =>
    bounded
      ? { [`${method}, paper's ReLU6`]: { method, relu6: "paper" }, [`${method}, exact ReLU6`]: { method } }
      : { [method]: { method } };
  return {
    ...greedy("one-step"),
    ...greedy("two-step"),
    dfq: { method: "dfq" },
    optimal: { method: "optimal" },
    "dead channels + optimal": { method: "optimal", dead: true },
  } as Record<string, Method>;
}

/**
 * What each equalization is worth, measured: the degradation by rounding weights only, activations only and both, of the network as it
 * is and behind each method, every method kept as it is (Tables 1 and 2 of Meller et al. 2019). `model` is not changed. Cancelled, it
 * returns the columns that are complete.
 * @throws {DataError} E5001 no samples. @throws {ModelError} as {@link prepareModel}. @throws {RunError} E6005 cancelled before the first
 * column was complete.
 */
export async function ablate(
  model: Model,
  { calibration, measured }: { readonly calibration: Dataset; readonly measured: Dataset },
  options: AblateOptions,
  context: TransformContext,
): Promise<Ablation> {
  const { quantize, calibrationSamples, correct } = { ...ABLATE_DEFAULTS, ...options };
  if (measured.length === 0) {
    throw new DataError("E5001", "ablate: no samples", { hint: "give a folder of images with --data DIR" });
  }
  const here = await contextOf(quantize.target ?? "ort-cpu", context);
  const data = spread(calibration, calibrationSamples);
  const work = new AblationRun(quantize, data, measured, correct, { ...here, data });
  return work.run(model);
}

class AblationRun {
  #float!: Int32Array;

  constructor(
    readonly quantize: QuantizeOptions,
    readonly calibration: Dataset,
    readonly measured: Dataset,
    readonly correct: boolean,
    readonly context: TransformContext,
  ) {}

  async run(original: Model): Promise<Ablation> {
    const { calibration, context, measured } = this;
    const float = cloneModel(original);
    await prepareModel(float, context);
    ensureBiases(float);
    this.#float = await this.#answers(float);
    const methods = methodsOf(float);
    const columns = [await this.#column("none", float, undefined)];
    let stopped = false;
    try {
      const input = await this.#inputOf(float);
      for (const [name, method] of Object.entries(methods)) {
        throwIfAborted(context.signal, "ablate");
        columns.push(await this.#methodColumn(name, method, float, input));
        context.onProgress?.({ phase: "ablate", done: columns.length - 1, total: Object.keys(methods).length });
      }
    } catch (error) {
      if (!context.signal?.aborted) throw error;
      stopped = true;
    }
    const right = measured.label && this.#float.filter((answer, at) => answer === measured.label!(at)).length;
    return {
      samples: measured.length,
      calibrationSamples: calibration.length,
      labelled: measured.label !== undefined,
      top1: right === undefined ? undefined : right / measured.length,
      columns,
      stopped,
    };
  }

  async #methodColumn(
    name: string,
    { dead, ...options }: Method,
    float: Model,
    input: EqualizationInput,
  ): Promise<AblationColumn> {
    const { context, quantize } = this;
    const scaled = cloneModel(float);
    if (dead) {
      const given = { quantize, known: new Map(), biasCorrected: false };
      await applyFloatStep(scaled, { use: "dead-channels" }, given, context);
    }
    const known = dead ? await this.#inputOf(scaled) : input;
    const report = await equalize({ ...options, keep: "always", ...known })(scaled, context);
    const noiseDb = report.noise && 10 * Math.log10(report.noise.after / report.noise.before);
    return this.#column(name, scaled, noiseDb);
  }

  async #inputOf(model: Model): Promise<EqualizationInput> {
    const { context, quantize } = this;
    const shapes = await shapesOf(model, context);
    const quantized = quantizationRequests(model, quantize).map(({ value }) => value);
    return equalizationInput(model, shapes, quantize, context, { quantized });
  }

  async #column(name: string, model: Model, noiseDb: number | undefined): Promise<AblationColumn> {
    const { context } = this;
    const requests = quantizationRequests(model, this.quantize);
    const calibration = await calibrate(model, { requests }, context);
    const parts = {} as Record<AblationPart, Degradation>;
    for (const part of ABLATION_PARTS) {
      const rounded = cloneModel(model);
      const own = planQuantization(rounded, calibration, this.quantize);
      applyEmulation(rounded, partOf(own, part));
      parts[part] = this.#degradation(await this.#answers(rounded));
    }
    const float = this.#degradation(await this.#answers(model));
    const corrected = this.correct ? await this.#corrected(model, calibration) : undefined;
    return { name, noiseDb, float, parts, corrected };
  }

  async #corrected(floatModel: Model, calibration: Calibration): Promise<Degradation> {
    const model = cloneModel(floatModel);
    const plan = planQuantization(model, calibration, this.quantize);
    applyQdq(model, plan);
    await correctBiases({ floatModel, plan, keep: "always" })(model, this.context);
    return this.#degradation(await this.#answers(model));
  }

  /** The class each sample is given. */
  async #answers(model: Model): Promise<Int32Array> {
    const { context, measured } = this;
    const answers = new Int32Array(measured.length);
    const feed = await Feed.of(model, measured, context);
    const output = model.graph.outputs[0]!.name;
    const runner = requireRunner(context, "ablate");
    const run = (session: Parameters<typeof forEachBatch>[0]) =>
      forEachBatch(session, feed, { fetches: [output] }, context, (results, { count, fed, firstIndex }) => {
        const { data, dims } = results[output]!;
        const size = sizeOf(dims) / fed;
        for (let i = 0; i < count; i++) {
          answers[firstIndex + i] = argmax((data as Float32Array).subarray(i * size, (i + 1) * size));
        }
      });
    await runner.using(model, run, { purpose: "ablate" });
    return answers;
  }

  #degradation(answers: Int32Array): Degradation {
    const { measured } = this;
    const expected = (at: number) => measured.label?.(at) ?? this.#float[at]!;
    let lost = 0;
    let won = 0;
    answers.forEach((answer, at) => {
      const [before, after] = [this.#float[at] === expected(at), answer === expected(at)];
      if (before && !after) lost++;
      if (!before && after) won++;
    });
    const n = measured.length;
    const drop = (lost - won) / n;
    const half = 1.96 * Math.sqrt(Math.max(0, (lost + won) / n - drop * drop) / n);
    return { drop, low: drop - half, high: drop + half };
  }
}

function partOf(plan: QuantizationPlan, part: AblationPart): QuantizationPlan {
  if (part === "weights") return { ...plan, activations: new Map(), constants: [] };
  return part === "activations" ? { ...plan, parameters: [] } : plan;
}
