import {
  applyQdq,
  type CompressResult,
  cloneModel,
  type Dataset,
  type Model,
  parseModel,
  planQuantization,
  type QuantizeOptions,
  sensitivity,
  serializeModel,
  spread,
  TuneJudge,
} from "@equant/core/web";
import type { FixOutcome, FixTarget, FixTrial } from "../protocol.js";
import { type CallContext, transformContext } from "./context.js";

/** Layers that are ranked: those with the lowest ratio of their own. Every one costs two networks on some samples. */
const RANKED = 16;
const RANKING_SAMPLES = 8;

/** What is repaired. */
export interface FixInput {
  readonly original: Model;
  readonly result: CompressResult;
  /** The file of the run. */
  readonly bytes: Uint8Array;
  readonly options: QuantizeOptions;
  readonly calibrate: Dataset;
  readonly validate: Dataset;
}

/**
 * Leaves layers in float, those first whose float gains the output most, until the target holds; then takes back every layer
 * without which it still holds, largest first. Each trial is a quantized file, measured on the validation samples. Steps
 * behind quantization (corrected biases) are left out of the trials: running the recipe adds them.
 */
export async function fixIt(input: FixInput, target: FixTarget, call: CallContext): Promise<FixOutcome> {
  const context = await transformContext(call);
  const { result, options, validate } = input;
  const judge = await TuneJudge.of(input.original, validate, context);
  const trials: FixTrial[] = [];
  const quantized = async (layers: readonly string[]) => {
    const bytes = layers.length === 0 ? input.bytes : withFloat(result, options, layers);
    const { drop, sqnrDb: db, top1 } = await judge.measure(parseModel(bytes, { file: "trial" }));
    const sqnrDb = db!;
    const trial = { layers, bytes: bytes.length, drop, sqnrDb, top1, holds: holds(target, { drop, sqnrDb }) };
    trials.push(trial);
    call.onProgress({ phase: "fix it", done: trials.length, total: 0, part: [...trials] });
    return trial;
  };
  const first = await quantized([]);
  let best = first;
  if (!first.holds) {
    const quiet = { runner: context.runner, signal: context.signal };
    call.onProgress({ phase: "rank the layers", done: 0, total: 0 });
    const { layers } = await sensitivity(result.floatModel, result.plan, input.calibrate, quiet, {
      samples: RANKING_SAMPLES,
      top: RANKED,
    });
    for (const { layer } of layers) {
      if (best.holds) break;
      const trial = await quantized([...best.layers, layer]);
      // A layer that does not help costs bytes for nothing.
      if (trial.holds || isBetter(target, trial, best)) best = trial;
    }
    if (best.holds) best = await withoutSurplus(best, result, quantized);
  }
  return { target, metric: judge.metric, samples: validate.length, trials, first, best, floatTop1: judge.floatTop1 };
}

/** Takes layers back, largest first, as long as the target holds without them. */
async function withoutSurplus(
  from: FixTrial,
  { floatModel }: CompressResult,
  quantized: (layers: readonly string[]) => Promise<FixTrial>,
): Promise<FixTrial> {
  let best = from;
  if (best.layers.length < 2) return best;
  const size = new Map(floatModel.graph.nodes.map((node) => [node.name, weightBytes(floatModel, node.inputs[1])]));
  // The last layer made the target hold, so it stays.
  const candidates = best.layers.slice(0, -1).sort((a, b) => (size.get(b) ?? 0) - (size.get(a) ?? 0));
  for (const layer of candidates) {
    const trial = await quantized(best.layers.filter((own) => own !== layer));
    if (trial.holds) best = trial;
  }
  return best;
}

function weightBytes({ graph }: Model, name: string | undefined): number {
  return graph.initializers.get(name ?? "")?.byteLength ?? 0;
}

function holds(target: FixTarget, { drop, sqnrDb }: Pick<FixTrial, "drop" | "sqnrDb">): boolean {
  // A share of samples is a whole number of them: rounding of the difference must not decide.
  return target.kind === "db" ? sqnrDb >= target.value : drop !== null && drop <= target.value / 100 + 1e-9;
}

function isBetter(target: FixTarget, trial: FixTrial, best: FixTrial): boolean {
  if (target.kind === "db" || trial.drop === null || best.drop === null) return trial.sqnrDb > best.sqnrDb;
  return trial.drop < best.drop || (trial.drop === best.drop && trial.sqnrDb > best.sqnrDb);
}

/** The run's float network quantized again with these layers left alone. */
function withFloat(
  { floatModel, calibration }: CompressResult,
  options: QuantizeOptions,
  layers: readonly string[],
): Uint8Array {
  const exclude = { ...options.exclude, nodes: [...(options.exclude?.nodes ?? []), ...layers] };
  const model = cloneModel(floatModel);
  applyQdq(model, planQuantization(model, calibration, { ...options, exclude }));
  return serializeModel(model);
}

/** Samples for {@link fixIt}: all for accuracy, some for decibels. */
export function fixSamples(validate: Dataset, target: FixTarget): Dataset {
  return target.kind === "db" ? spread(validate, 64) : validate;
}
