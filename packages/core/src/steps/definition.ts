import { type OptionsOf, type OptionTable, oneOf } from "../option.js";

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

/** What a step is called and what it takes: all that a command line, a form or a config file needs to know of it. */
export interface StepDefinition<
  U extends string = string,
  P extends Phase = Phase,
  T extends OptionTable = OptionTable,
> {
  readonly use: U;
  readonly phase: P;
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

/** A step, its types inferred. */
export function step<const U extends string, const P extends Phase, const T extends OptionTable>(
  definition: StepDefinition<U, P, T>,
): StepDefinition<U, P, T> {
  return definition;
}
