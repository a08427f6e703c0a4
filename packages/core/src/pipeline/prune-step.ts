import type { Dataset } from "../data/index.js";
import type { Model } from "../graph/index.js";
import {
  type PruneMethod,
  type PruneOptions,
  type PruneResult,
  type PruneSchedule,
  type PruneScope,
  prune,
} from "../prune/index.js";
import { observeShapes, requireRunner, type TransformContext, zeroFeeds } from "../runtime/index.js";
import { ORT_CHANNEL_MULTIPLE, shrink } from "../shrink/index.js";

/** Prunes the float network. Kept although outputs get worse: it was asked for. */
export interface PruneStep {
  readonly use: "prune";
  /** Default: synflow. Taylor scores read the calibration data. */
  readonly method?: PruneMethod;
  readonly sparsity?: number;
  readonly steps?: number;
  readonly schedule?: PruneSchedule;
  readonly scope?: PruneScope;
  readonly granularity?: NonNullable<PruneOptions["granularity"]>;
  /** What `sparsity` counts with channels. Default: channels. */
  readonly count?: "channels" | "macs";
  /** Training after every step, on the calibration data, towards the outputs of the original. Default: none. */
  readonly fineTuneEpochs?: number;
  /** Learning rate. Default: 0.001: biases and weights with BatchNormalization folded in bear less than with it. */
  readonly rate?: number;
  /** Of random scores and of the order of training. Default: 0. */
  readonly seed?: number;
}

/** Prunes in place; channels leave the graph. Biases stay: they are what the correction behind quantization moves. */
export async function applyPruneStep(
  model: Model,
  step: PruneStep & { readonly keep?: unknown },
  dataset: Dataset,
  context: TransformContext,
) {
  const { use: _use, keep: _keep, count, fineTuneEpochs, rate = 0.001, ...chosen } = step;
  const channels = step.granularity === "channels";
  const fineTune = { epochs: fineTuneEpochs ?? 0, rate, batchSize: 32, loss: { type: "distillation" } } as const;
  const options: PruneOptions = {
    ...chosen,
    parameters: "weights",
    data: dataset,
    ...(count && { target: count }),
    ...(channels && { channelMultiple: ORT_CHANNEL_MULTIPLE }),
    ...(fineTuneEpochs !== undefined && { fineTune }),
  };
  const result = await prune(model, options, context);
  model.graph.initializers = result.model.graph.initializers;
  if (result.channels.size > 0) {
    const shapes = await observeShapes(requireRunner(context, "prune"), model, zeroFeeds(model));
    await shrink({ remove: result.channels, shapes })(model, context);
  }
  const { iterations, skipped } = result;
  return { modified: true, note: describePruning(result), report: { iterations, skipped } };
}

function describePruning({ iterations, channels }: PruneResult): string {
  const { sparsity, macsSaved, collapsed } = iterations.at(-1)!;
  const count = [...channels.values()].reduce((sum, own) => sum + own.length, 0);
  const gone = count > 0 ? `, ${count} channels and ${(100 * macsSaved!).toFixed(1)} % of MACs left` : "";
  const lost = collapsed.length > 0 ? `; collapsed: ${collapsed.join(", ")}` : "";
  return `${(100 * sparsity).toFixed(1)} % of the parameters are 0${gone}${lost}`;
}
