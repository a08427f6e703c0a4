import { sensitivity } from "../analyze/sensitivity.js";
import { correctBiases } from "../correct/index.js";
import type { Dataset } from "../data/index.js";
import { cloneModel, type Model, serializeModel } from "../graph/index.js";
import { linearLayers } from "../operators/index.js";
import type { CompressResult } from "../pipeline/compress.js";
import { TuneJudge } from "../pipeline/tune-judge.js";
import type { TuneReport } from "../pipeline/tune-report.js";
import { applyQdq, finishQdq, planQuantization } from "../quantize/index.js";
import type { TransformContext } from "../runtime/index.js";
import type { RecipeStep } from "../steps/index.js";
import type { TaskOptions } from "../tasks/index.js";

/** What layers in float must reach: at most so many points of accuracy lost, or at least so many decibels at the output. */
export interface FloatTarget {
  readonly kind: "drop" | "db";
  readonly value: number;
}

/** A quantized file with some layers in float, measured. */
export interface FloatTrial {
  readonly layers: readonly string[];
  readonly bytes: number;
  /** Top-1 lost, or the figure of the task, as a share; without labels the share of answers that changed. */
  readonly drop: number | null;
  readonly top1: number | null;
  /** Output SQNR against the original, in dB. */
  readonly sqnrDb: number;
  readonly holds: boolean;
}

/** Result of {@link keepInFloat}. */
export interface FloatSearch {
  readonly target: FloatTarget;
  readonly metric: TuneReport["metric"];
  readonly samples: number;
  readonly floatTop1: number | null;
  readonly trials: readonly FloatTrial[];
  /** The run as it is. */
  readonly first: FloatTrial;
  /** The cheapest that holds, or where none does the best. */
  readonly best: FloatTrial;
}

/** What {@link keepInFloat} works on. */
export interface KeepInFloatInput {
  /** The network that the run began with. */
  readonly original: Model;
  readonly result: CompressResult;
  /** The recipe of the run. */
  readonly steps: readonly RecipeStep[];
  /** Samples that the run was calibrated on. */
  readonly calibrate: Dataset;
  /** Samples that trials are measured on. */
  readonly validate: Dataset;
  /** What the network is for: a drop is then in its measure. */
  readonly task?: TaskOptions;
  /** Called with every trial. */
  readonly onTrial?: (trials: readonly FloatTrial[]) => void;
}

/** Layers that are ranked: those with the lowest ratio of their own. Every one costs two networks on some samples. */
const RANKED = 16;
const RANKING_SAMPLES = 8;

/**
 * Leaves layers in float, those first whose float gains the output most, until the target holds; then takes back every layer
 * without which it still holds, largest first. Each trial is the file that the recipe makes with these layers excluded, its biases
 * corrected where the recipe corrects them; steps that learn (`ada-round`, `tune-biases`) are left to the run that follows.
 * @throws {RunError} E6005 cancelled, E7001 the float network gives NaN.
 */
export async function keepInFloat(
  input: KeepInFloatInput,
  target: FloatTarget,
  context: TransformContext,
): Promise<FloatSearch> {
  const { result, validate } = input;
  const judge = await TuneJudge.of(input.original, validate, context, input.task);
  const { onProgress: _onProgress, ...quiet } = context;
  const trials: FloatTrial[] = [];
  const measured = async (layers: readonly string[]) => {
    const model = layers.length === 0 ? result.model : await withFloat(input, layers, quiet);
    const { drop, sqnrDb: db, top1 } = await judge.measure(model);
    const sqnrDb = db!;
    const bytes = layers.length === 0 ? result.bytes.length : serializeModel(model).length;
    const trial = { layers, bytes, drop, sqnrDb, top1, holds: holds(target, { drop, sqnrDb }) };
    trials.push(trial);
    input.onTrial?.([...trials]);
    return trial;
  };
  const first = await measured([]);
  let best = first;
  if (!first.holds) {
    context.onProgress?.({ phase: "rank the layers", done: 0, total: 0 });
    const ranking = { samples: RANKING_SAMPLES, top: RANKED };
    const { layers } = await sensitivity(
      result.floatModel,
      { plan: result.plan, ...ranking },
      { ...quiet, data: input.calibrate },
    );
    for (const { layer } of layers) {
      if (best.holds) break;
      const trial = await measured([...best.layers, layer]);
      // A layer that does not help costs bytes for nothing.
      if (trial.holds || isBetter(target, trial, best)) best = trial;
    }
    if (best.holds) best = await withoutSurplus(best, result, measured);
  }
  return { target, metric: judge.metric, samples: validate.length, trials, first, best, floatTop1: judge.floatTop1 };
}

/** Takes layers back, largest first, as long as the target holds without them. */
async function withoutSurplus(
  from: FloatTrial,
  { floatModel }: CompressResult,
  measured: (layers: readonly string[]) => Promise<FloatTrial>,
): Promise<FloatTrial> {
  let best = from;
  const sizes = new Map(linearLayers(floatModel.graph).map(({ node, tensor }) => [node.name, tensor.byteLength ?? 0]));
  // The last layer made the target hold, so it stays.
  const candidates = best.layers.slice(0, -1).sort((a, b) => (sizes.get(b) ?? 0) - (sizes.get(a) ?? 0));
  for (const layer of candidates) {
    const trial = await measured(best.layers.filter((other) => other !== layer));
    if (trial.holds) best = trial;
  }
  return best;
}

function holds(target: FloatTarget, { drop, sqnrDb }: Pick<FloatTrial, "drop" | "sqnrDb">): boolean {
  // A share of samples is a whole number of them: rounding of the difference must not decide.
  return target.kind === "db" ? sqnrDb >= target.value : drop !== null && drop <= target.value / 100 + 1e-9;
}

function isBetter(target: FloatTarget, trial: FloatTrial, best: FloatTrial): boolean {
  if (target.kind === "db" || trial.drop === null || best.drop === null) return trial.sqnrDb > best.sqnrDb;
  return trial.drop < best.drop || (trial.drop === best.drop && trial.sqnrDb > best.sqnrDb);
}

/** The run's float network quantized again with these layers left alone, finished as the recipe finishes it. */
async function withFloat(
  { result: { floatModel, calibration, quantize }, steps, calibrate }: KeepInFloatInput,
  layers: readonly string[],
  context: TransformContext,
): Promise<Model> {
  const exclude = [...(quantize.exclude ?? []), ...layers];
  const model = cloneModel(floatModel);
  const plan = planQuantization(model, calibration, { ...quantize, exclude });
  applyQdq(model, plan);
  for (const step of steps) {
    if (step.use !== "bias-correct") continue;
    const { use: _use, ...how } = step;
    await correctBiases({ floatModel, plan, ...how })(model, { ...context, data: calibrate });
  }
  finishQdq(model, plan.target, calibration);
  return model;
}
