import type { Dataset, Model, OutputError } from "@equant/core/lab";
import type { Option } from "commander";
import type { CommandContext } from "../frame/context.js";
import { flag } from "../options/options.js";

/** Options of commands that say what a result is worse in. */
export interface FindingOptions {
  latency?: boolean;
}

export function latencyOption(): Option {
  return flag("--no-latency", "do not measure whether the result is slower than its input");
}

/** A short measurement: enough to tell a tenth of the time. */
const PAIRS = { rounds: 20, warmup: 2, budgetMs: 600 } as const;

/** Warns of whatever a result is worse in than its input, at the moment it is made. */
export async function sayFindings(
  context: CommandContext,
  {
    original,
    model,
    dataset,
    bytes,
    error,
  }: {
    readonly original: Model;
    readonly model: Model;
    readonly dataset: Dataset;
    readonly bytes: { readonly before: number; readonly after: number };
    readonly error: OutputError;
  },
): Promise<void> {
  const { resultFindings, timeRatio } = await import("@equant/core/lab");
  const measured = context.options<FindingOptions>().latency !== false && !context.signal.aborted;
  const ratio = measured
    ? await timeRatio(original, model, dataset, PAIRS, await context.transformContext())
    : undefined;
  for (const { code, message } of resultFindings({ model, bytes, error, timeRatio: ratio }))
    context.warn(code, message);
}
