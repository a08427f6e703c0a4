import type { OutputError } from "../analyze/output-error.js";
import type { Verdict } from "../analyze/verdict.js";
import type { ActivationStats, Calibration } from "../calibrate/index.js";
import type { Model } from "../graph/index.js";
import type { OptionsOf, OptionTable } from "../option.js";
import type { QuantizationPlan, QuantizeOptions } from "../quantize/index.js";
import type { Transform, TransformContext, TransformReport } from "../runtime/index.js";
import type { Keep } from "./definition.js";

/** What a step on the float network works with. */
export interface FloatInput {
  /** How the network will be quantized. */
  readonly quantize: QuantizeOptions;
  /** Channel statistics of the model as it is, from the calibration of its last quantization. */
  readonly known: ActivationStats;
  /** Whether biases are corrected after quantization. */
  readonly biasCorrected: boolean;
  /** What was said of this very step; a method that was chosen by name otherwise stays as it is. */
  readonly keep?: Keep | undefined;
  /** What the step collected before, where the same network is changed more than once. */
  readonly collected?: unknown;
}

/** What a step did to the float network. */
export interface FloatChange {
  readonly modified: boolean;
  /** What it did, for people. */
  readonly note: string;
  /** Its report, JSON-safe. */
  readonly report?: unknown;
}

/** A change of a copy of the network, and what the quantized copy costs. */
export interface Attempt<C = unknown> extends FloatChange {
  readonly model: Model;
  /** Undefined where nothing was changed. */
  readonly candidate?: C;
  readonly drift?: OutputError;
}

/** What a step may do that has several ways to go: try, measure, compare. */
export interface Trials<T extends OptionTable> {
  readonly model: Model;
  readonly input: FloatInput;
  /** Applies the step to a fresh copy. */
  apply(options: OptionsOf<T>, collected?: unknown): Promise<Attempt>;
  /** Quantizes and measures the copy. */
  measure(attempt: Attempt): Promise<Attempt>;
  /** Whether a measured attempt is better than another by `gainDb` at least. */
  isBetter(attempt: Attempt, than: Attempt, gainDb: number): Promise<boolean>;
}

/** Carries out a step on the float network. */
export interface FloatWork<T extends OptionTable = OptionTable> {
  /** In place. */
  apply(model: Model, options: OptionsOf<T>, input: FloatInput, context: TransformContext): Promise<FloatChange>;
  /** What the change must gain in dB of output SQNR to stay; below 0: what it may lose. */
  requiredDb(report: unknown): number;
  /** Chooses among ways to go by what they measure. Default: the one way there is. */
  choose?(options: OptionsOf<T>, trials: Trials<T>, context: TransformContext): Promise<Attempt>;
}

/** What a quantized network was made from. */
export interface IntegerInput {
  readonly floatModel: Model;
  readonly plan: QuantizationPlan;
  readonly calibration: Calibration;
}

/** Makes what carries out a step on the quantized network, and judges itself on samples it has not learned from. */
export type IntegerWork<T extends OptionTable = OptionTable> = (
  options: OptionsOf<T> & { readonly keep?: Keep },
  input: IntegerInput,
) => Transform<TransformReport & Verdict>;
