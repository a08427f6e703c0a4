import { agreementWords, isGain, type OutputError, outputGain } from "../analyze/output-error.js";
import { OutputProbe } from "../analyze/output-probe.js";
import { type Calibration, calibrate } from "../calibrate/index.js";
import { correctBiases, ensureBiases } from "../correct/index.js";
import { type Dataset, keepSamples } from "../data/index.js";
import { OptionsError, throwIfAborted } from "../errors.js";
import { cloneModel, type Model, serializeModel } from "../graph/index.js";
import {
  applyQdq,
  contextOf,
  finishQdq,
  forThisProcessor,
  planQuantization,
  type QuantizationDetails,
  type QuantizationPlan,
  type QuantizeOptions,
  quantizationDetails,
  quantizationRequests,
  resolveQuantizeOptions,
} from "../quantize/index.js";
import type { TransformContext } from "../runtime/index.js";
import type { EqualizationInput } from "./equalization-input.js";
import {
  applyFloatStep,
  boundsByChannel,
  equalizationOf,
  type FloatStep,
  type FloatStepInput,
  type FloatStepResult,
  promisedDb,
} from "./float-steps.js";
import { applyLateStep, type LateStep } from "./late-steps.js";
import { describeFold, prepareModel } from "./prepare.js";
import { COMPRESS_RECIPE, checkRecipe, isLate, type QuantizeStep, type RecipeStep } from "./recipe.js";
import { type Verification, verifyModel } from "./verify.js";

/** One step of a recipe: what it did to the outputs of the quantized network, and whether it stayed. */
export interface StepEffect {
  readonly step: RecipeStep["use"];
  readonly kept: boolean;
  /** Output error of the quantized network with the step, against the original, on the probe's samples. */
  readonly error: OutputError;
  /** Output drift of the float network against the original, for steps that change it. */
  readonly drift?: OutputError;
  /** What it did, for people. */
  readonly note: string;
  /** The step's own report, JSON-safe. */
  readonly report?: unknown;
}

/** Result of {@link compress}. */
export interface CompressResult {
  /** The verified quantized network. */
  readonly model: Model;
  /** {@link model} as one file. @throws {ModelError} E3003 when it exceeds 2 GiB: save the model with external data. */
  readonly bytes: Uint8Array;
  /** The float network that was quantized, after every step that was kept. */
  readonly floatModel: Model;
  readonly steps: readonly StepEffect[];
  readonly calibration: Calibration;
  readonly details: QuantizationDetails;
  readonly verification: Verification;
  /** Encodings and integer parameters of {@link floatModel}. */
  readonly plan: QuantizationPlan;
  /** The folded network before any other step, and how it would be quantized: what the steps are compared with. */
  readonly before: { readonly floatModel: Model; readonly plan: QuantizationPlan };
}

/** Times and announces a phase; the command line passes its own. */
export type PhaseRunner = <T>(name: string, work: () => Promise<T>, note?: (value: T) => string) => Promise<T>;

/** Options for {@link compress}. */
export interface CompressOptions {
  /** Default: {@link COMPRESS_RECIPE}. */
  steps?: readonly RecipeStep[];
  /** Samples a run. Default: by step. */
  batchSize?: number;
  /** Called around every phase. Default: only runs it. */
  phase?: PhaseRunner;
}

/** A float model with its quantized form and what that costs. */
interface Candidate {
  readonly model: Model;
  readonly quantized: Model;
  readonly plan: QuantizationPlan;
  readonly calibration: Calibration;
  readonly error: OutputError;
  /** Output error after a quick bias correction, once it was asked for. */
  trial?: OutputError;
}

/** A float step and the copy of the network it was applied to. */
interface Applied extends FloatStepResult {
  readonly model: Model;
}

/** What a step did to a copy of the float network, with its quantized form where it changed something. */
interface Attempt extends FloatStepResult {
  readonly candidate?: Candidate;
  readonly drift?: OutputError;
}

/** A step that loses less than this is noise of the probe, not a loss; removing channels pays in size and speed besides. */
const TOLERANCE_DB = { equalize: 0.05, "dead-channels": 0.5, prune: 0 } as const;
/** A gain from which on bias correction cannot turn the order round. */
const DECISIVE_DB = 6;
/**
 * What bounds by channel must gain over one bound, or none, to be worth their time: a Min of integers for ONNX Runtime
 * (MobileNetV1 1.1 × the time of its float network on 2 cores, against 0.7 × with one bound), of floats for other targets.
 */
const BOUNDS_DB = 2;
/** Samples for the bias correction that only helps to decide. */
const TRIAL_SAMPLES = 16;

/**
 * Executes a recipe: every step is measured by the output error of the quantized network on calibration samples, without
 * labels; one that makes it worse is undone and says so. `model` is not changed; the result is verified before it returns.
 * @throws {OptionsError} E2007 steps in an impossible order, or an option. @throws {RunError} E6005 cancelled, E7001 NaN.
 * @throws {ModelError} as {@link prepareModel}.
 */
export async function compress(
  model: Model,
  dataset: Dataset,
  options: CompressOptions,
  context: TransformContext,
): Promise<CompressResult> {
  const steps = options.steps ?? COMPRESS_RECIPE;
  const quantizeStep = checkRecipe(steps);
  const here = await contextOf(quantizeStep.target ?? "ort-cpu", context);
  const run = new RecipeRun(model, keepSamples(dataset), await forThisProcessor(quantizeStep, context), options, here);
  return run.execute(steps);
}

class RecipeRun {
  readonly #effects: StepEffect[] = [];
  readonly #phase: PhaseRunner;
  readonly #quantize: QuantizeOptions;
  /** Whether the recipe ends in a bias correction. */
  readonly #corrects: boolean;
  #probe!: OutputProbe;

  constructor(
    readonly model: Model,
    readonly dataset: Dataset,
    quantizeStep: QuantizeStep,
    readonly options: CompressOptions,
    readonly context: TransformContext,
  ) {
    this.#corrects = (options.steps ?? COMPRESS_RECIPE).some(({ use }) => use === "bias-correct");
    this.#phase = options.phase ?? ((_name, work) => work());
    const { use: _use, keep: _keep, ...quantize } = quantizeStep as QuantizeStep & { keep?: unknown };
    this.#quantize = quantize;
    if (resolveQuantizeOptions(quantize).format !== "qdq") {
      throw new OptionsError("E2004", "compress: format 'emulation' is for equant quantize, expected qdq", {
        actual: "emulation",
      });
    }
  }

  async execute(steps: readonly RecipeStep[]): Promise<CompressResult> {
    const { context } = this;
    const float = cloneModel(this.model);
    // Folding checks the model first, with errors that say more than ONNX Runtime's.
    await this.#phase(
      "fold",
      () => prepareModel(float, context),
      ({ fold }) => describeFold(fold),
    );
    this.#probe = await this.#phase("float model", () => OutputProbe.of(this.model, this.dataset, context));
    ensureBiases(float);
    let best = await this.#phase(
      "quantize",
      () => this.#evaluate(float),
      ({ error }) => `as it is: ${describeError(error)}`,
    );
    const before = { floatModel: best.model, plan: best.plan };
    for (const step of steps) {
      if (step.use === "fold") continue;
      if (step.use === "quantize") {
        const note = `${best.plan.parameters.length} layers, ${best.plan.placement.skipped.length} in float`;
        this.#effects.push({ step: "quantize", kept: true, error: best.error, note });
      } else if (isLate(step)) best = await this.#adjust(best, step);
      else best = await this.#improve(best, step);
    }
    return this.#finish(best, before);
  }

  /** A step on the float network: kept when the quantized network's outputs come closer to the original's. */
  async #improve(best: Candidate, step: FloatStep & { keep?: "better" | "always" }): Promise<Candidate> {
    const { candidate, drift, note, report } = await this.#phase(
      step.use,
      () => this.#chooseBounds(best, step),
      (done) => (done.candidate ? `${done.note}; ${describeError(done.candidate.error)}` : done.note),
    );
    const tolerance = boundsByChannel(report) > 0 ? -BOUNDS_DB : TOLERANCE_DB[step.use];
    const better = candidate !== undefined && (await this.#isBetter(candidate, best, tolerance));
    // Pruning always costs something: who asks for it has decided already.
    const kept =
      candidate !== undefined && (better || step.keep === "always" || (step.use === "prune" && step.keep !== "better"));
    const verdict =
      candidate === undefined || better ? "" : kept ? "; worse, kept as told" : "; undone: outputs got worse";
    this.#effects.push({
      step: step.use,
      kept,
      error: (candidate ?? best).error,
      ...(drift && { drift }),
      note: note + verdict,
      report,
    });
    return kept ? candidate : best;
  }

  /**
   * Tries a step; equalization with `relu6: 'auto'` tries bounds by channel and one bound, and takes what pays. Bounds by
   * channel that do not even promise half of what they must gain are not measured.
   */
  async #chooseBounds(best: Candidate, step: FloatStep): Promise<Attempt> {
    if (step.use !== "equalize" || (step.relu6 ?? "auto") !== "auto")
      return this.#evaluated(await this.#apply(best, step));
    const equalization = await equalizationOf(best.model, this.#inputOf(best), this.context);
    const exact = await this.#apply(best, { ...step, relu6: "exact" }, equalization);
    if (boundsByChannel(exact.report) === 0) return this.#evaluated(exact);
    const common = await this.#apply(best, { ...step, relu6: "common" }, equalization);
    if (!common.modified) return this.#evaluated(exact);
    const one = await this.#evaluated(common);
    if (promisedDb(exact.report, common.report) < BOUNDS_DB / 2) return one;
    const many = await this.#evaluated(exact);
    return (await this.#isBetter(many.candidate!, one.candidate!, -BOUNDS_DB)) ? many : one;
  }

  #inputOf({ calibration }: Candidate): FloatStepInput {
    const known = calibration.activationStats();
    return { quantize: this.#quantize, dataset: this.dataset, known, biasCorrected: this.#corrects };
  }

  async #apply(best: Candidate, step: FloatStep, equalization?: EqualizationInput): Promise<Applied> {
    const model = cloneModel(best.model);
    const input = { ...this.#inputOf(best), ...(equalization && { equalization }) };
    return { ...(await applyFloatStep(model, step, input, this.context)), model };
  }

  async #evaluated({ model, ...result }: Applied): Promise<Attempt> {
    if (!result.modified) return result;
    const drift = await this.#probe.measure(model, this.context);
    return { ...result, candidate: await this.#evaluate(model), drift };
  }

  /**
   * Rounding shifts the means of channels, which bias correction takes away later: where that could turn the order round,
   * both sides are compared after a quick correction.
   */
  async #isBetter(candidate: Candidate, best: Candidate, tolerance: number): Promise<boolean> {
    const decisive = outputGain(best.error, candidate.error).worst >= DECISIVE_DB;
    if (!this.#corrects || decisive) return isGain(best.error, candidate.error, tolerance);
    return isGain(await this.#trial(best), await this.#trial(candidate), tolerance);
  }

  async #trial(candidate: Candidate): Promise<OutputError> {
    if (candidate.trial) return candidate.trial;
    const { model, quantized, plan } = candidate;
    const { dataset, context } = this;
    // The plan names nodes of this very model, so the trial runs on it: it changes biases only, which are put back.
    const initializers = new Map(quantized.graph.initializers);
    const trial = {
      floatModel: model,
      model: quantized,
      plan,
      dataset,
      samples: TRIAL_SAMPLES,
      keep: "always",
    } as const;
    await correctBiases(trial, context);
    candidate.trial = await this.#probe.measure(quantized, context);
    quantized.graph.initializers = initializers;
    return candidate.trial;
  }

  /** A step on the quantized network, which judges itself on samples it has not learned from. */
  async #adjust(best: Candidate, step: LateStep & { keep?: "better" | "always" }): Promise<Candidate> {
    const { model: floatModel, quantized: model, plan, calibration } = best;
    const input = { floatModel, model, plan, calibration, dataset: this.dataset };
    const work = () => applyLateStep(step, input, this.context);
    const report = await this.#phase(step.use, work, ({ kept, reason }) => (kept ? reason : `undone: ${reason}`));
    const error = await this.#probe.measure(best.quantized, this.context);
    this.#effects.push({ step: step.use, kept: report.kept, error, note: report.reason, report });
    return { ...best, error };
  }

  async #evaluate(model: Model): Promise<Candidate> {
    const { context, dataset } = this;
    throwIfAborted(context.signal, "compress");
    const requests = quantizationRequests(model, this.#quantize);
    const batching = this.options.batchSize === undefined ? {} : { batchSize: this.options.batchSize };
    const calibration = await calibrate(model, dataset, { requests, ...batching }, context);
    throwIfAborted(context.signal, "compress");
    const quantized = cloneModel(model);
    const plan = planQuantization(quantized, calibration, this.#quantize);
    applyQdq(quantized, plan);
    const error = await this.#probe.measure(quantized, context);
    return { model, quantized, plan, calibration, error };
  }

  async #finish(best: Candidate, before: CompressResult["before"]): Promise<CompressResult> {
    const model = best.quantized;
    finishQdq(model, best.plan.target, best.calibration);
    const verify = () => verifyModel(model, this.#probe, this.context);
    const verification = await this.#phase("verify", verify, ({ samples }) => `re-opened, ran ${samples} samples`);
    let bytes: Uint8Array | undefined;
    return {
      model,
      get bytes() {
        bytes ??= serializeModel(model);
        return bytes;
      },
      floatModel: best.model,
      steps: this.#effects,
      calibration: best.calibration,
      details: quantizationDetails(best.plan, resolveQuantizeOptions(this.#quantize).target),
      verification,
      plan: best.plan,
      before,
    };
  }
}

/** `output SQNR 16.0 dB, 93.8 % same answer`. */
export function describeError(error: OutputError): string {
  const same = error.agreement === null ? "" : `, ${(100 * error.agreement).toFixed(1)} % ${agreementWords(error)}`;
  return `output SQNR ${error.sqnrDb.toFixed(1)} dB${same}`;
}
