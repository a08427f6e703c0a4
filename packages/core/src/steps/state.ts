import type { OutputError } from "../analyze/output-error.js";
import type { Verdict } from "../analyze/verdict.js";
import type { ActivationStats, Calibration } from "../calibrate/index.js";
import type { Dataset } from "../data/index.js";
import type { Model } from "../graph/index.js";
import { type OptionsOf, type OptionTable, oneOf } from "../option.js";
import type { QuantizationPlan, QuantizeOptions } from "../quantize/index.js";
import type { TransformContext } from "../runtime/index.js";

/** An option of every step. */
export const KEEP = oneOf("a step stays where it is better, or always", {
  better: "undone where the outputs get worse",
  always: "kept, whatever it costs",
});

export type Keep = NonNullable<(typeof KEEP)["type"]>;

/**
 * When a step runs: before anything is measured, on the float network, in the middle, or on the quantized network. A recipe has its
 * steps in this order.
 */
export type Phase = "prepare" | "float" | "quantize" | "integer";

export interface StepDefinition<U extends string = string, T extends OptionTable = OptionTable> {
  readonly use: U;
  readonly phase: Phase;
  /** What it does, for people: `Remove dead channels`. */
  readonly label: string;
  /** One line more. */
  readonly help: string;
  readonly options: T;
  /** The option that `compress --USE VALUE` sets; without one the flag only switches the step. */
  readonly flag?: keyof T & string;
  /** Costs more than everything else together. */
  readonly slow?: boolean;
  /** Whether biases are right afterwards: float steps are then judged by what is left when they are. */
  readonly correctsBiases?: boolean;
  /** `better` where nothing else is said. */
  readonly keep?: Keep;
  /** The step in the title of a run; undefined where it goes without saying. */
  title(options: OptionsOf<T>): string | undefined;
  /** Keys of older files that are no longer options, and what says the same today. */
  readonly older?: Readonly<Record<string, string>>;
  /** Options of older files under the names of today. */
  renew?(given: object): Record<string, unknown>;
}

/** What a step on the float network works with. */
export interface FloatInput {
  /** How the network will be quantized. */
  readonly quantize: QuantizeOptions;
  readonly dataset: Dataset;
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

/** Changes the float network, in place. */
export interface FloatStep<U extends string = string, T extends OptionTable = OptionTable>
  extends StepDefinition<U, T> {
  readonly phase: "float";
  apply(model: Model, options: OptionsOf<T>, input: FloatInput, context: TransformContext): Promise<FloatChange>;
  /** What the change must gain in dB of output SQNR to stay; below 0: what it may lose. */
  requiredDb(report: unknown): number;
  /** Chooses among ways to go by what they measure. Default: the one way there is. */
  choose?(options: OptionsOf<T>, trials: Trials<T>, context: TransformContext): Promise<Attempt>;
}

/** What a step on the quantized network works with: `model` is changed in place. */
export interface IntegerInput {
  readonly floatModel: Model;
  readonly model: Model;
  readonly plan: QuantizationPlan;
  readonly calibration: Calibration;
  readonly dataset: Dataset;
}

/** Changes the quantized network, and judges itself on samples it has not learned from. */
export interface IntegerStep<U extends string = string, T extends OptionTable = OptionTable>
  extends StepDefinition<U, T> {
  readonly phase: "integer";
  apply(
    options: OptionsOf<T> & { readonly keep?: Keep },
    input: IntegerInput,
    context: TransformContext,
  ): Promise<Verdict>;
}

export function isFloat(step: StepDefinition): step is FloatStep {
  return step.phase === "float";
}

export function isInteger(step: StepDefinition): step is IntegerStep {
  return step.phase === "integer";
}

/** A step of the float network, its types inferred. */
export function floatStep<const U extends string, const T extends OptionTable>(
  step: Omit<FloatStep<U, T>, "phase">,
): FloatStep<U, T> {
  return { ...step, phase: "float" };
}

/** A step of the quantized network, its types inferred. */
export function integerStep<const U extends string, const T extends OptionTable>(
  step: Omit<IntegerStep<U, T>, "phase">,
): IntegerStep<U, T> {
  return { ...step, phase: "integer" };
}

/** A step that the loop itself carries out, its types inferred. */
export function ownStep<const U extends string, const T extends OptionTable>(
  step: StepDefinition<U, T>,
): StepDefinition<U, T> {
  return step;
}
