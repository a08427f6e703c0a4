import { type PruneIteration, wilsonInterval } from "@equant/core/lab";
import type { PruningCurve, PruningSection } from "../schema.js";

/** Accuracy of every iteration that was measured, with its 95 % Wilson interval over `samples`. */
export function pruningCurve(
  method: string,
  iterations: readonly Pick<PruneIteration, "sparsity" | "accuracy">[],
  samples: number,
): PruningCurve {
  const points = iterations.flatMap(({ sparsity, accuracy }) =>
    accuracy === null ? [] : [{ sparsity, accuracy, ...wilsonInterval(Math.round(accuracy * samples), samples) }],
  );
  return { method, points };
}

/** What one iteration left of every layer. */
export function prunedStructure({ layers }: PruneIteration): PruningSection["layers"] {
  return layers.map(({ layer, sparsity, channels, removedChannels }) => ({
    layer,
    sparsity,
    channels,
    removed: removedChannels.length,
  }));
}
