import { agreementWords, type OutputError, outputGain } from "../analyze/output-error.js";
import { OutputProbe, PROBE_SAMPLES } from "../analyze/output-probe.js";
import { judge, type Verdict } from "../analyze/verdict.js";
import { type Calibration, calibrate } from "../calibrate/index.js";
import { ensureBiases, type SampleSplit, splitSamples, TrialCorrection } from "../correct/index.js";
import { type Dataset, keepSamples, spread } from "../data/index.js";
import { OptionsError, rejectUnknownOptions, throwIfAborted } from "../errors.js";
import { cloneModel, type Model, serializeModel } from "../graph/index.js";
import { runnableForm } from "../operators/index.js";
import type { OptionsOf, OptionTable } from "../option.js";
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
import { requireData, type TransformContext, uncancelled } from "../runtime/index.js";
import {
  type Attempt as AttemptOf,
  COMPRESS_RECIPE,
  definitionOf,
  describeFold,
  type FloatInput,
  type FloatWork,
  floatWorkOf,
  type IntegerWork,
  integerWorkOf,
  type Keep,
  learningSamples,
  prepareModel,
  type RecipeStep,
  readSteps,
  type StepName,
  stepOptions,
} from "../steps/index.js";
import { chooseResult, describeChoice, PLAIN_RANGES, type ResultChoice } from "./choose-result.js";
import { orLost } from "./lost-candidate.js";
import { type Verification, verifyModel } from "./verify.js";

/** One step of a recipe: what it did to the outputs of the quantized network, and whether it stayed. */
export interface StepEffect {
  readonly step: StepName;
  readonly kept: boolean;
  /** Output error of the quantized network with the step, against the original, on the probe's samples. */
  readonly error: OutputError;
  /** By what it was judged; undefined where there was nothing to judge. */
  readonly verdict?: Verdict;
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
  /** The recipe against plain quantization, on samples that no step had seen; undefined where both are the same. */
  readonly choice?: ResultChoice;
  /** How it was quantized: as the recipe says, with the ranges that were taken. */
  readonly quantize: QuantizeOptions;
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
  /**
   * Samples that ranges come from and steps are judged by, spread over the data. A step that learns more from the quantized network takes
   * its `samples` from all of the data. Default: all.
   */
  samples?: number;
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

type Attempt = AttemptOf<Candidate>;

/** Above this gain, bias correction cannot change which candidate wins. */
const DECISIVE_DB = 6;

/**
 * Executes a recipe: every step is measured by the output error of the quantized network on calibration samples, without
 * labels; one that makes it worse is undone and says so. In the end the recipe is held against plain quantization, and undone as a
 * whole where that is better ({@link chooseResult}): steps learn from three quarters of the samples, the fourth decides, and ranges and
 * biases of what is taken come from all of them. `model` is not changed; the result is verified before it returns.
 * @throws {OptionsError} E2007 steps in an impossible order, or an option. @throws {RunError} E6005 cancelled, E7001 NaN.
 * @throws {ModelError} as {@link prepareModel}.
 */
export async function compress(
  model: Model,
  options: CompressOptions,
  context: TransformContext,
): Promise<CompressResult> {
  rejectUnknownOptions("compress", options, ["steps", "samples", "batchSize", "phase"]);
  const steps = readSteps(options.steps ?? COMPRESS_RECIPE);
  const quantize: QuantizeOptions = stepOptions(steps.find(({ use }) => definitionOf(use).phase === "quantize")!);
  const here = await contextOf(quantize.target, context);
  const asked = await forThisProcessor(quantize, context);
  const data = requireData(context, "compress");
  const few = keepSamples(spread(data, options.samples ?? Math.max(data.length, 1)));
  return new RecipeRun(runnableForm(model), few, data, steps, asked, options, here).execute();
}

class RecipeRun {
  readonly #effects: StepEffect[] = [];
  readonly #phase: PhaseRunner;
  /** Present where biases are corrected in the end. */
  readonly #trial: TrialCorrection | undefined;
  /** What steps learn from and are measured on, and what decides between the recipe and plain quantization. */
  readonly #samples: SampleSplit;
  /** With all samples, and with those to learn from. */
  context: TransformContext;
  readonly #learning: TransformContext;
  #probe!: OutputProbe;
  #choice?: ResultChoice;
  /** A step stopped early, and its result is kept: those behind it are left out. */
  #cancelled = false;
  /** Effects of steps that plain quantization is compared with too. */
  #settled = 0;

  constructor(
    readonly model: Model,
    dataset: Dataset,
    readonly all: Dataset,
    readonly steps: readonly RecipeStep[],
    public quantize: QuantizeOptions,
    readonly options: CompressOptions,
    context: TransformContext,
  ) {
    this.#samples = splitSamples(dataset);
    this.context = { ...context, data: dataset };
    this.#learning = { ...context, data: this.#samples.learn };
    const corrects = steps.some(({ use }) => definitionOf(use).correctsBiases);
    this.#trial = corrects ? new TrialCorrection(this.#learning) : undefined;
    this.#phase = options.phase ?? ((_name, work) => work());
    if (resolveQuantizeOptions(quantize).format !== "qdq") {
      throw new OptionsError("E2004", "compress: format 'emulation' is for equant quantize, expected qdq", {
        actual: "emulation",
      });
    }
  }

  async execute(): Promise<CompressResult> {
    const { context } = this;
    const float = cloneModel(this.model);
    // Folding checks the model first, with errors that say more than ONNX Runtime's.
    await this.#phase(
      "fold",
      () => prepareModel(float, context),
      ({ fold }) => describeFold(fold),
    );
    this.#probe = await this.#phase("float model", () =>
      OutputProbe.of(this.model, this.#samples.learn, context, PROBE_SAMPLES, this.options.batchSize),
    );
    ensureBiases(float);
    let best = await this.#phase(
      "quantize",
      () => this.#evaluate(float),
      ({ error }) => `as it is: ${describeError(error)}`,
    );
    const before = { floatModel: best.model, plan: best.plan };
    // The network of the steps that stay whatever they cost: what is asked for is no part of the question.
    let plain = best;
    for (const step of this.steps) {
      if (definitionOf(step.use).phase === "quantize") {
        best = await this.#choose(best, plain, step);
        continue;
      }
      const [onFloat, onIntegers] = [floatWorkOf(step.use), integerWorkOf(step.use)];
      if (onFloat) {
        best = await this.#improve(best, step, onFloat);
        if (keepOf(step) === "always") {
          plain = best;
          this.#settled = this.#effects.length;
        }
      } else if (onIntegers) best = await this.#adjust(best, step, onIntegers);
      if (this.#cancelled) break;
    }
    return this.#finish(best, before);
  }

  /** Takes the recipe's network, or plain quantization where that is better; its ranges come from all samples then. */
  async #choose(best: Candidate, plain: Candidate, step: RecipeStep): Promise<Candidate> {
    const { model: original, quantize, context } = this;
    const samples = this.#samples;
    const question = { original, recipe: best, plain, samples, quantize, trial: this.#trial };
    const choice = await this.#phase("against plain", () => chooseResult(question, context));
    const { model, calibration } = choice?.taken === "plain" ? plain : best;
    if (choice && choice.taken !== "recipe") this.quantize = { ...quantize, calibrator: PLAIN_RANGES };
    if (choice?.taken === "plain") this.#undoSteps(choice);
    this.#choice = choice;
    const all = samples.heldOut ? await this.#calibrate(model, this.context) : calibration;
    const candidate = await this.#quantized(model, all);
    const { parameters, placement } = candidate.plan;
    const told = choice ? `; ${describeChoice(choice)}` : "";
    const note = `${parameters.length} layers, ${placement.skipped.length} in float${told}`;
    this.#effects.push({ step: step.use, kept: true, error: candidate.error, note, ...(choice && { report: choice }) });
    return candidate;
  }

  /** What was kept because it was better is not, on samples that it had not seen. */
  #undoSteps({ verdict }: ResultChoice): void {
    for (const [at, effect] of this.#effects.entries()) {
      if (at < this.#settled || !effect.kept) continue;
      const note = `${effect.note}; undone with the whole recipe`;
      this.#effects[at] = { ...effect, kept: false, verdict: { ...verdict, better: false, kept: false }, note };
    }
  }

  /** A step on the float network: kept when the quantized network's outputs come closer to the original's. */
  async #improve(best: Candidate, step: RecipeStep, work: FloatWork): Promise<Candidate> {
    const { candidate, drift, note, report } = await this.#phase(
      step.use,
      () => this.#attempt(best, step, work),
      (done) => (done.candidate ? `${done.note}; ${describeError(done.candidate.error)}` : done.note),
    );
    const keep = keepOf(step);
    const verdict = candidate && (await this.#verdict(candidate, best, work.requiredDb(report), keep));
    const kept = verdict?.kept ?? false;
    const told = verdict?.better === false ? `; ${verdict.reason}` : "";
    this.#effects.push({
      step: step.use,
      kept,
      error: (candidate ?? best).error,
      ...(verdict && { verdict }),
      ...(drift && { drift }),
      note: note + told,
      report,
    });
    return kept ? candidate! : best;
  }

  async #attempt(best: Candidate, step: RecipeStep, work: FloatWork): Promise<Attempt> {
    const options = stepOptions(step);
    const input: FloatInput = {
      quantize: this.quantize,
      known: best.calibration.activationStats(),
      biasCorrected: this.#trial !== undefined,
      keep: step.keep,
    };
    const apply = async (chosen: OptionsOf<OptionTable>, collected?: unknown): Promise<Attempt> => {
      const model = cloneModel(best.model);
      const given = { ...input, ...(collected !== undefined && { collected }) };
      return { ...(await work.apply(model, chosen, given, this.#learning)), model };
    };
    const measure = async (attempt: AttemptOf): Promise<Attempt> => {
      if (!attempt.modified) return attempt as Attempt;
      const drift = await this.#probe.measure(attempt.model, this.context);
      let lost = "";
      const candidate = await orLost(
        () => this.#evaluate(attempt.model),
        ({ code }) => {
          lost = `; lost: ONNX Runtime does not run it quantized (${code})`;
        },
      );
      return { ...attempt, note: attempt.note + lost, ...(candidate && { candidate, drift }) } as Attempt;
    };
    const isBetter = async (one: AttemptOf, other: AttemptOf, requiredDb: number) => {
      const [candidate, than] = [one.candidate as Candidate | undefined, other.candidate as Candidate | undefined];
      if (!candidate || !than) return candidate !== undefined;
      return (await this.#verdict(candidate, than, requiredDb, "better")).kept;
    };
    if (!work.choose) return measure(await apply(options));
    const trials = { model: best.model, input, apply, measure, isBetter };
    return (await work.choose(options, trials, this.#learning)) as Attempt;
  }

  /**
   * Rounding shifts the means of channels, which bias correction takes away later: where that could turn the order round,
   * both sides are compared after a quick correction.
   */
  async #verdict(candidate: Candidate, best: Candidate, requiredDb: number, keep: Keep): Promise<Verdict> {
    const plain = { before: best.error, after: candidate.error, where: "as it is", requiredDb, keep };
    if (!this.#trial || outputGain(plain.before, plain.after).worst >= DECISIVE_DB) return judge(plain);
    const [before, after] = [await this.#corrected(best, this.#trial), await this.#corrected(candidate, this.#trial)];
    return judge({ ...plain, before, after, where: "after a trial bias correction" });
  }

  async #corrected(candidate: Candidate, trial: TrialCorrection): Promise<OutputError> {
    if (candidate.trial) return candidate.trial;
    const { model: floatModel, quantized: model, plan } = candidate;
    // The plan names nodes of this very model, so the trial runs on it: it changes biases only, which are put back.
    const initializers = new Map(model.graph.initializers);
    await trial.correct({ floatModel, model, plan });
    candidate.trial = await this.#probe.measure(model, this.context);
    model.graph.initializers = initializers;
    return candidate.trial;
  }

  /** A step on the quantized network, which judges itself on samples it has not learned from. */
  async #adjust(best: Candidate, step: RecipeStep, work: IntegerWork): Promise<Candidate> {
    const { model: floatModel, quantized: model, plan, calibration } = best;
    const options = { ...stepOptions(step), keep: keepOf(step) };
    const { context } = this;
    const here = learningSamples(step) > context.data!.length ? { ...context, data: this.all } : context;
    const apply = async () => work(options, { floatModel, plan, calibration })(model, here);
    const report = await this.#phase(step.use, apply, ({ reason }) => reason);
    // A step that was cancelled and did not throw has kept what it learned: the result is finished with it.
    this.#cancelled = context.signal?.aborted ?? false;
    if (this.#cancelled) this.context = uncancelled(context);
    const error = await this.#probe.measure(best.quantized, this.context);
    const { kept, better, sqnrDbBefore, sqnrDbAfter, reason } = report;
    const verdict = { kept, better, sqnrDbBefore, sqnrDbAfter, reason };
    this.#effects.push({ step: step.use, kept, error, verdict, note: reason, report });
    return { ...best, error };
  }

  async #evaluate(model: Model): Promise<Candidate> {
    return this.#quantized(model, await this.#calibrate(model, this.#learning));
  }

  async #calibrate(model: Model, context: TransformContext): Promise<Calibration> {
    throwIfAborted(context.signal, "compress");
    const requests = quantizationRequests(model, this.quantize);
    const batching = this.options.batchSize === undefined ? {} : { batchSize: this.options.batchSize };
    const calibration = await calibrate(model, { requests, ...batching }, context);
    throwIfAborted(context.signal, "compress");
    return calibration;
  }

  async #quantized(model: Model, calibration: Calibration): Promise<Candidate> {
    const quantized = cloneModel(model);
    const plan = planQuantization(quantized, calibration, this.quantize);
    applyQdq(quantized, plan);
    return { model, quantized, plan, calibration, error: await this.#probe.measure(quantized, this.context) };
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
      ...(this.#choice && { choice: this.#choice }),
      quantize: this.quantize,
      calibration: best.calibration,
      details: quantizationDetails(best.plan, resolveQuantizeOptions(this.quantize).target),
      verification,
      plan: best.plan,
      before,
    };
  }
}

function keepOf({ use, keep }: RecipeStep): Keep {
  return keep ?? definitionOf(use).keep ?? "better";
}

/** `output SQNR 16.0 dB, 93.8 % same answer`. */
function describeError(error: OutputError): string {
  const same = error.agreement === null ? "" : `, ${(100 * error.agreement).toFixed(1)} % ${agreementWords(error)}`;
  return `output SQNR ${error.sqnrDb.toFixed(1)} dB${same}`;
}
