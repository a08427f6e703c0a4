import type { TaskReport } from "../tasks/index.js";
import type { Confusion, PairedAccuracy } from "./class-pair.js";
import type { AccuracySummary } from "./class-score.js";
import type { Int8Coverage } from "./int8-coverage.js";
import type { LatencyReport } from "./latency.js";
import type { OutputDifferenceSummary } from "./output-difference.js";
import type { NamedDifference } from "./output-error.js";

/** Something a person should know before trusting the figures. */
export interface ValidationWarning {
  readonly code: "W5002" | "W5003" | "W6001";
  readonly message: string;
}

/** What was measured of one model. Figures of accuracy are null without labels. */
export interface ModelMeasures {
  readonly top1: AccuracySummary["top1"] | null;
  readonly top5: AccuracySummary["top5"] | null;
  readonly accuracy: AccuracySummary | null;
  /** Bytes of the file, external data included. */
  readonly bytes: number;
  /** Bytes of all constants. */
  readonly parameterBytes: number;
  /** Median time of one run at batch 1; null when not measured. */
  readonly latencyMs: number | null;
  readonly latencyMinMs: number | null;
  /** Multiply–accumulate operations a sample; null when the shapes could not be observed. */
  readonly macs: number | null;
  /** How many of them run on integers; null for a float model. */
  readonly int8: Int8Coverage | null;
  /** For models whose output has the shape of their input: mean (output − input)². */
  readonly reconstructionMse: number | null;
}

/** One sample on which the two models differ much. */
export interface WorstSample {
  readonly id: string;
  readonly sqnrDb: number;
  /** Null without labels. */
  readonly label: number | null;
}

/** Error of one sample. */
export interface SampleError {
  readonly id: string;
  /** Infinity where nothing differs. */
  readonly sqnrDb: number;
  /** Null without labels. */
  readonly label: number | null;
  /** Whether the largest output is the same. */
  readonly same: boolean;
}

/** Result of `validateModels`; JSON-safe but for infinite decibels. Null: not measured, or not defined here. */
export interface ValidationReport {
  readonly samples: number;
  /** True for `--data random`: the figures say nothing about real data. */
  readonly random: boolean;
  readonly output: {
    readonly name: string;
    /** Shape of one sample's output. */
    readonly dims: readonly number[];
    /** `classes`: one number a class. `values`: anything else; accuracy is then not defined. */
    readonly kind: "classes" | "values";
    readonly classes: number | null;
    readonly labelled: boolean;
  };
  /** All outputs against the baseline's, in the model's order; empty without a baseline. */
  readonly outputs: readonly NamedDifference[];
  readonly baseline: ModelMeasures | null;
  readonly candidate: ModelMeasures;
  /** baseline.top1 − candidate.top1. */
  readonly drop: number | null;
  /** Share of samples with the same largest output. */
  readonly agreement: number | null;
  /** Signal over noise of all outputs against the baseline's, in dB. */
  readonly logitSqnrDb: number | null;
  readonly mse: number | null;
  readonly maxDifference: number | null;
  readonly mcNemar: PairedAccuracy["mcNemar"] | null;
  readonly evenDrop: PairedAccuracy["evenDrop"] | null;
  readonly worstClasses: PairedAccuracy["worstClasses"];
  readonly topConfusions: readonly Confusion[];
  readonly worstSamples: readonly WorstSample[];
  /** Error sample by sample, evenly spread over the data where there are many; empty without a baseline. */
  readonly sampleErrors: readonly SampleError[];
  /** In the measure of the task that was named; null where none was. */
  readonly task: TaskReport | null;
  readonly latency: LatencyReport | null;
  /** The candidate as the runtime executes it against its literal execution; null for a float model. */
  readonly kernelAgreement: OutputDifferenceSummary | null;
  readonly warnings: readonly ValidationWarning[];
}
