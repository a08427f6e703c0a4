import type { Metric, TaskReport } from "../tasks/index.js";

/** Names and versions of the formats. A field is never removed within a major version. */
export const TUNE_SCHEMA = "equant.tune/1";
export const TUNE_STATE_SCHEMA = "equant.tune-state/1";

/** Recipe of one trial. */
export interface TrialSettings {
  readonly granularity: "per-tensor" | "per-channel";
  readonly equalize: boolean;
  /** Range chooser of activations; `mse` also chooses for weights. */
  readonly chooser: string;
  readonly activationBits: 8 | 16;
  /** Layers that stay in float. */
  readonly exclude: readonly string[];
  /** Layers with weights and outputs of 16 bits. Default: none. */
  readonly wide?: readonly string[];
}

/** One recipe that was built and measured. */
export interface TuneTrial {
  /** Says the settings, for example `channel-eq-minmax`. */
  readonly id: string;
  readonly settings: TrialSettings;
  /** Size of the file; `null` where the recipe failed. */
  readonly bytes: number | null;
  /** Output SQNR in dB against the float model (300: no noise). */
  readonly sqnrDb: number | null;
  /** Share of samples with the same answer; `null` where an output is no answer. */
  readonly agreement: number | null;
  /** Null without labels. */
  readonly top1: number | null;
  /** In the task's first metric; null where no task was named. */
  readonly figure?: number | null;
  readonly interval: { readonly low: number; readonly high: number } | null;
  /** How much worse than the float model in the task's metric; else of top-1; without labels 1 − agreement, which no drop can exceed. */
  readonly drop: number | null;
  /** Why the recipe failed. */
  readonly error?: string;
}

/** What a search knows: enough to go on later as if it had never stopped. JSON-safe. */
export interface TuneState {
  readonly schema: typeof TUNE_STATE_SCHEMA;
  readonly trials: readonly TuneTrial[];
  /** Layers by what keeping them in float gains, once that was measured. */
  readonly order?: readonly string[];
}

/** Result of `tune`. */
export interface TuneReport {
  readonly schema: typeof TUNE_SCHEMA;
  readonly samples: number;
  readonly labelled: boolean;
  /** What quality means: the task's metric; else `top-1` with labels, else `agreement`, else `output SQNR`. */
  readonly metric: string;
  readonly float: { readonly bytes: number; readonly top1: number | null };
  /** Null where no task was named. */
  readonly task: {
    readonly metric: Metric;
    readonly against: TaskReport["against"];
    readonly float: number | null;
  } | null;
  readonly constraints: { readonly maxDrop: number | null; readonly maxBytes: number | null };
  /** In the order they were made. */
  readonly trials: readonly TuneTrial[];
  /** Trials that no other beats in both size and quality, smallest first. */
  readonly front: readonly string[];
  /** The smallest trial that keeps all constraints; `null` where none does. */
  readonly best: string | null;
  /** True when there was nothing left to try; false when the budget ended first. */
  readonly exhausted: boolean;
}
