import type { PrunedLayer, PruneIteration } from "@equant/core/lab";
import type { CommandContext } from "../frame/context.js";
import { formatBytes, formatPercent } from "./format.js";

/** One line an iteration: what was removed, and what it cost. */
export function iterationTable(context: CommandContext, iterations: readonly PruneIteration[]): string {
  const measured = iterations.some(({ accuracy }) => accuracy !== null);
  const tuned = iterations.some(({ accuracyBefore }) => accuracyBefore !== null);
  const channels = iterations.some(({ macsSaved }) => macsSaved !== null);
  const share = (value: number | null) => (value === null ? "" : formatPercent(value));
  return context.table<PruneIteration>(
    [
      { title: "step", cell: ({ iteration }) => iteration },
      { title: "sparsity", cell: ({ sparsity }) => formatPercent(sparsity) },
      ...(channels ? [{ title: "MACs saved", cell: ({ macsSaved }: PruneIteration) => share(macsSaved) }] : []),
      ...(tuned ? [{ title: "pruned", cell: ({ accuracyBefore }: PruneIteration) => share(accuracyBefore) }] : []),
      ...(measured
        ? [{ title: tuned ? "tuned" : "top-1", cell: ({ accuracy }: PruneIteration) => share(accuracy) }]
        : []),
      { title: "collapsed", cell: ({ collapsed }) => collapsed.join(", "), align: "left" },
    ],
    iterations,
  );
}

/** MathWorks' statistics of every layer. */
export function layerTable(context: CommandContext, layers: readonly PrunedLayer[]): string {
  return context.table<PrunedLayer>(
    [
      { title: "layer", cell: ({ layer }) => layer, align: "left" },
      { title: "parameters", cell: ({ parameters }) => parameters },
      { title: "sparsity", cell: ({ sparsity }) => formatPercent(sparsity) },
      { title: "channels removed", cell: ({ removedChannels }) => removedChannels.length },
      { title: "remaining", cell: ({ remainingChannels }) => remainingChannels },
    ],
    layers,
  );
}

export function outcomeLine(
  path: string,
  output: string,
  bytes: number,
  { sparsity, accuracy }: PruneIteration,
  baseline: number | undefined,
): string {
  const top1 =
    baseline === undefined || accuracy === null
      ? ""
      : `, top-1 ${formatPercent(baseline)} → ${formatPercent(accuracy)}`;
  return `${path} → ${output} (${formatBytes(bytes)}): ${formatPercent(sparsity)} of the parameters removed${top1}\n`;
}
