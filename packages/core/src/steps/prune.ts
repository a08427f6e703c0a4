import type { PRUNE_OPTIONS } from "../prune/definition.js";
import { type PruneOptions, type PruneResult, prune as pruneModel } from "../prune/index.js";
import { observeShapes, requireRunner, zeroFeeds } from "../runtime/index.js";
import { ORT_CHANNEL_MULTIPLE, shrink } from "../shrink/index.js";
import type { FloatWork } from "./state.js";

/** With BatchNormalization folded in, biases and weights bear less than with it. */
const RATE = 0.001;

/** Prunes the float network. Kept although outputs get worse: who asks for it has decided already. */
export const prune: FloatWork<typeof PRUNE_OPTIONS> = {
  requiredDb: () => 0,
  /** In place; channels leave the graph. Biases stay: they are what the correction behind quantization moves. */
  async apply(model, { fineTuneEpochs, rate = RATE, ...chosen }, _input, context) {
    const channels = chosen.granularity === "channels";
    const fineTune = { epochs: fineTuneEpochs ?? 0, rate, batchSize: 32, loss: { type: "distillation" } } as const;
    const options: PruneOptions = {
      ...(chosen as PruneOptions),
      parameters: "weights",
      ...(channels && { channelMultiple: ORT_CHANNEL_MULTIPLE }),
      ...(fineTuneEpochs !== undefined && { fineTune }),
    };
    const result = await pruneModel(model, options, context);
    model.graph.initializers = result.model.graph.initializers;
    if (result.channels.size > 0) {
      const shapes = await observeShapes(model, zeroFeeds(model), { runner: requireRunner(context, "prune") });
      await shrink({ remove: result.channels, shapes })(model, context);
    }
    const { iterations, skipped } = result;
    return { modified: true, note: describe(result), report: { iterations, skipped } };
  },
};

function describe({ iterations, channels }: PruneResult): string {
  const { sparsity, macsSaved, collapsed } = iterations.at(-1)!;
  const count = [...channels.values()].reduce((sum, own) => sum + own.length, 0);
  const gone = count > 0 ? `, ${count} channels and ${(100 * macsSaved!).toFixed(1)} % of MACs left` : "";
  const lost = collapsed.length > 0 ? `; collapsed: ${collapsed.join(", ")}` : "";
  return `${(100 * sparsity).toFixed(1)} % of the parameters are 0${gone}${lost}`;
}
