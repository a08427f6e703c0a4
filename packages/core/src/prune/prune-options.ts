import type { Dataset } from "../data/index.js";
import { OptionsError, requireOneOf } from "../errors.js";
import { defaultsOf, type OptionsOf, readOptions } from "../option.js";
import { requireChannelMultiple } from "../shrink/removal-limits.js";
import type { TrainOptions } from "../train/index.js";
import { PRUNE_OPTIONS } from "./definition.js";
import { type KeepPattern, parsePattern } from "./n-of-m.js";
import type { PruneParameters } from "./prunable.js";
import { pruneSchedule } from "./prune-schedule.js";

export type PruneMethod = NonNullable<OptionsOf<typeof PRUNE_OPTIONS>["method"]>;

/** Training between iterations: options of `train` but for what pruning itself sets. */
export type FineTuneOptions = Omit<TrainOptions, "masks" | "resume" | "onEpoch" | "validation" | "select">;

/**
 * Options for {@link prune}: {@link PRUNE_OPTIONS}, and what no recipe says. `sparsity` is the share of the parameters, or of the
 * channels, or (`count: "macs"`) of the operations. `granularity`: `weights`: single ones; `channels`: all that makes a channel; `2:4`:
 * of every 4 along the input channels 2 stay.
 */
export interface PruneOptions extends Omit<OptionsOf<typeof PRUNE_OPTIONS>, "fineTuneEpochs" | "rate" | "granularity"> {
  granularity?: "weights" | "channels" | `${number}:${number}`;
  /** Channels of convolutions leave in blocks of this many, as far as they come in blocks. Default: 1; see {@link ORT_CHANNEL_MULTIPLE}. */
  channelMultiple?: number;
  /** Whether biases compete with weights (MathWorks' pruning page) or stay. Default: all. */
  parameters?: PruneParameters;
  /** Samples that Taylor scores read at every iteration, spread over the data. Default: 512. */
  scoreSamples?: number;
  /** Training after every iteration that removed something, on the same samples. Default: none. */
  fineTune?: FineTuneOptions;
  /** Measures a network after every iteration; the figure is `accuracy` of the record. */
  evaluate?: (model: import("../graph/index.js").Model) => Promise<number> | number;
  /** What happens when a layer loses its last weight: noted in the record, or E7004. Default: note. */
  onCollapse?: "note" | "error";
}

const { fineTuneEpochs: _epochs, rate: _rate, ...TABLE } = PRUNE_OPTIONS;

/** Of options that no recipe has. */
const DEFAULTS = {
  channelMultiple: 1,
  parameters: "all",
  scoreSamples: 512,
  onCollapse: "note",
} as const satisfies PruneOptions;

const DEFAULT_SETTINGS = { ...defaultsOf(TABLE), ...DEFAULTS };

/** Options with their defaults, the pattern of N:M, and the target of every iteration. */
export type PruneSettings = PruneOptions &
  Required<Pick<PruneOptions, keyof typeof DEFAULT_SETTINGS>> & {
    /** Samples for Taylor scores and fine-tuning. */
    readonly data: Dataset | undefined;
    readonly pattern: KeepPattern | undefined;
    readonly targets: readonly number[];
  };

/** @throws {OptionsError} E2001, E2002, E2004; E2005 Taylor scores or fine-tuning without data. */
export function pruneSettings(options: PruneOptions, data?: Dataset): PruneSettings {
  const given = readOptions("prune", TABLE, options, [...Object.keys(DEFAULTS), "fineTune", "evaluate"]);
  const settings = { ...DEFAULT_SETTINGS, ...(given as PruneOptions) } as Omit<
    PruneSettings,
    "data" | "pattern" | "targets"
  >;
  requireOneOf("prune", "parameters", settings.parameters, ["all", "weights"]);
  requireOneOf("prune", "onCollapse", settings.onCollapse, ["note", "error"]);
  requireChannelMultiple("prune", settings.channelMultiple);
  const { granularity } = settings;
  const pattern = granularity === "weights" || granularity === "channels" ? undefined : parsePattern(granularity);
  const sparsity = pattern ? 1 - pattern.n / pattern.m : settings.sparsity;
  if (pattern && options.sparsity !== undefined && Math.abs(options.sparsity - sparsity) > 1e-9) {
    throw new OptionsError("E2002", `prune: invalid sparsity ${options.sparsity}, ${granularity} means ${sparsity}`, {
      actual: options.sparsity,
      expected: sparsity,
      hint: "leave sparsity out",
    });
  }
  // A pattern holds or does not: by default it comes at once.
  const steps = pattern ? (options.steps ?? 1) : settings.steps;
  const targets = pruneSchedule(settings.schedule, sparsity, steps);
  for (const [what, needed] of [
    ["method 'taylor'", settings.method === "taylor"],
    ["fineTune", settings.fineTune !== undefined],
  ] as const) {
    if (!needed || data) continue;
    throw new OptionsError("E2005", `prune: ${what} needs data`, {
      hint: "pass { data } in the context, or choose magnitude or synflow, which need none",
    });
  }
  return { ...settings, data, sparsity, steps, pattern, targets };
}

/** @throws {OptionsError} E2002 there is no such iteration. */
export function requireIteration(iteration: number, iterations: number): void {
  if (Number.isInteger(iteration) && iteration >= 1 && iteration <= iterations) return;
  throw new OptionsError("E2002", `prune: there is no iteration ${iteration} of ${iterations}`, {
    actual: iteration,
    expected: `1 to ${iterations}`,
  });
}
