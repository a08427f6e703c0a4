import {
  type Dataset,
  Feed,
  type Model,
  ORT_CHANNEL_MULTIPLE,
  observeShapes,
  prune,
  pruneSchedule,
  serializeModel,
  shrink,
  splitSamples,
  spread,
  validateModels,
} from "@equant/core/lab";
import { type PruningCurve, prunedStructure, pruningCurve } from "@equant/report";
import type { Params, PrunedNetwork } from "../protocol.js";
import { type CallContext, transformContext } from "./context.js";

/** Samples that an iteration is judged on: the curve is a sample, labelled so. */
const JUDGED = 300;

/** Prunes a copy of a folded model, judged on samples that are not used otherwise. */
export async function pruneModel(
  model: Model,
  data: { readonly calibrate: Dataset; readonly validate: Dataset },
  settings: Params<"prune">,
  call: CallContext,
): Promise<PrunedNetwork> {
  const context = await transformContext(call);
  const judged = spread(data.validate, JUDGED);
  // Without labels, the share of samples on which the answer is the float model's.
  const quality = async (candidate: Model) => {
    const quiet = { runner: context.runner, signal: context.signal };
    const measured = await validateModels(candidate, { baseline: model, latency: false }, { ...quiet, data: judged });
    return measured.candidate.top1 ?? measured.agreement ?? 0;
  };
  const original = judged.label ? await quality(model) : 1;
  const points: PruningCurve["points"] = [];
  const targets = pruneSchedule("linear", settings.sparsity, settings.steps);
  let at = 0;
  const evaluate = async (candidate: Model) => {
    const accuracy = await quality(candidate);
    const sparsity = targets[at++] ?? settings.sparsity;
    points.push(...pruningCurve(settings.method, [{ sparsity, accuracy }], judged.length).points);
    call.onProgress({ phase: "prune", done: at, total: settings.steps, part: { original, points: [...points] } });
    return accuracy;
  };
  const result = await prune(
    model,
    {
      ...settings,
      evaluate,
      // As the recipe's step prunes, so that what is chosen here is what the recipe gives.
      parameters: "weights",
      ...(settings.granularity === "channels" && { channelMultiple: ORT_CHANNEL_MULTIPLE }),
    },
    { ...context, data: splitSamples(data.calibrate).learn },
  );
  if (settings.granularity === "channels") {
    const feed = await Feed.of(model, data.validate, context);
    const shapes = await observeShapes(result.model, await feed.first(), { runner: context.runner! });
    await shrink({ remove: result.channels, shapes })(result.model, context);
  }
  const last = result.iterations.at(-1)!;
  return {
    bytes: serializeModel(result.model) as Uint8Array<ArrayBuffer>,
    iterations: result.iterations.map(({ iteration, target, sparsity, accuracy }) => ({
      iteration,
      target,
      sparsity,
      accuracy,
    })),
    section: {
      original,
      method: settings.method,
      curves: [pruningCurve(settings.method, result.iterations, judged.length)],
      layers: prunedStructure(last),
    },
  };
}
