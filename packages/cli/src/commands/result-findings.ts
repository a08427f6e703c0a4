import type { Dataset, Model, OutputError } from "@equant/core/lab";
import type { Option } from "commander";
import type { CommandContext } from "../frame/context.js";
import { IMAGE_OPTIONS, INPUT_OPTIONS } from "../options/input-options.js";
import { flag } from "../options/options.js";
import { shellWord } from "../text/visible.js";

/** Options of commands that say what a result is worse in. */
export interface FindingOptions {
  latency?: boolean;
}

export function latencyOption(): Option {
  return flag("--no-latency", "do not measure whether the result is slower than its input");
}

/** How data are read: what a command that reads the same data must be told again. */
const READING = [
  ...["labels", "preset", "mean", "std", "resize", "crop"],
  ...Object.keys(IMAGE_OPTIONS),
  ...Object.keys(INPUT_OPTIONS),
];

/** The line that measures a result against its original, on data that are read as this run read its own. */
export function validateLine(context: CommandContext, result: string, original: string, data = "DIR"): string {
  const words = [result, "--against", original, "--data", data, ...context.settings.words(READING)];
  return `equant validate ${words.map((word) => shellWord(word)).join(" ")}`;
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
