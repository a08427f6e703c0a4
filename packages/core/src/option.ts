import { notOneOf, OptionsError, unknownOption } from "./errors.js";

/**
 * Options of a step or transform, said once: default, bounds, one line of help. Flags and help of the command, the schema of
 * its config file, the app's form and the tables of the documentation are derived from these, and so are the checks.
 */

interface Common {
  /** One line for people. */
  readonly help: string;
  /** What a form calls it, where its key in words does not say it: see {@link labelOfOption}. */
  readonly label?: string;
  /** Other names of the option: in old files and scripts. */
  readonly aliases?: readonly string[];
  /** What it is where it is not given and does not follow from something else. */
  readonly default?: unknown;
  /** How the default is said where it is not one value: «the target's». */
  readonly otherwise?: string;
  /** Shown first in a form; the others are behind «more». */
  readonly main?: boolean;
}

/** A word out of a set; `open` where other words may be right too, which the step itself checks. */
export interface ChoiceOption extends Common {
  readonly kind: "choice";
  /** Each word with what it means, for people. */
  readonly values: Readonly<Record<string, string>>;
  /** Old spellings of words. */
  readonly words?: Readonly<Record<string, string>>;
  readonly open?: boolean;
}

export interface NumberOption extends Common {
  readonly kind: "number";
  readonly whole: boolean;
  /** A part of everything, 0–1: people may write it in percent. */
  readonly share: boolean;
  readonly min?: number;
  readonly max?: number;
  /** Bounds that are no longer allowed themselves. */
  readonly above?: number;
  readonly below?: number;
}

export interface FlagOption extends Common {
  readonly kind: "flag";
}

/** Words that are collected: names, globs. `completes` says what the words are. */
export interface ListOption extends Common {
  readonly kind: "list";
  /** What one is: `glob`. */
  readonly word: string;
  readonly completes?: "names";
}

export type OptionSpec = ChoiceOption | NumberOption | FlagOption | ListOption;

/** An option whose value is a T; the type is known to the compiler only. */
export type Option<T, S extends OptionSpec = OptionSpec> = S & { readonly type?: T };

export type OptionTable = Readonly<Record<string, Option<unknown>>>;

type ValueOf<O> = O extends { readonly type?: infer T } ? Exclude<T, undefined> : never;

/** The options of a table as its user writes them. */
export type OptionsOf<T extends OptionTable> = { [K in keyof T]?: ValueOf<T[K]> };

type Extra<O extends OptionSpec> = Omit<Partial<O>, "kind" | "help" | "values" | "default">;

/** A word of a closed set, each said with what it means. */
export function oneOf<const V extends string>(
  help: string,
  values: Readonly<Record<V, string>>,
  more: Extra<ChoiceOption> & { readonly default?: NoInfer<V> } = {},
): Option<V, ChoiceOption> {
  return { kind: "choice", help, values, ...more };
}

/** A word of which the usual ones are listed. */
export function text(
  help: string,
  values: Readonly<Record<string, string>>,
  more: Extra<ChoiceOption> & { readonly default?: string } = {},
): Option<string, ChoiceOption> {
  return { kind: "choice", help, values, open: true, ...more };
}

/** A whole number. */
export function count(
  help: string,
  more: Extra<NumberOption> & { readonly default?: number } = {},
): Option<number, NumberOption> {
  return { kind: "number", help, whole: true, share: false, ...more };
}

export function number(
  help: string,
  more: Extra<NumberOption> & { readonly default?: number } = {},
): Option<number, NumberOption> {
  return { kind: "number", help, whole: false, share: false, ...more };
}

/** A part of everything, 0–1. */
export function share(
  help: string,
  more: Extra<NumberOption> & { readonly default?: number } = {},
): Option<number, NumberOption> {
  return {
    kind: "number",
    help,
    whole: false,
    share: true,
    min: 0,
    ...(more.below === undefined && { max: 1 }),
    ...more,
  };
}

/** On or off; `default: true` makes the flag of the command a `--no-…`. */
export function flag(
  help: string,
  more: Extra<FlagOption> & { readonly default?: boolean } = {},
): Option<boolean, FlagOption> {
  return { kind: "flag", help, ...more };
}

export function list(help: string, more: Omit<ListOption, "kind" | "help">): Option<readonly string[], ListOption> {
  return { kind: "list", help, ...more };
}

/** `weightBits` as a flag is written: `weight-bits`. */
export function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** What a form calls an option: `weightBits` is «Weight bits». */
export function labelOfOption(name: string, { label }: OptionSpec): string {
  const words = kebab(name).replaceAll("-", " ");
  return label ?? words[0]!.toUpperCase() + words.slice(1);
}

/** `2–16`, `above 1`: the bounds of a number as people read them; empty where there are none. */
export function boundsText({ min, max, above, below }: NumberOption): string {
  if (min !== undefined && max !== undefined) return `${min}–${max}`;
  const low = above !== undefined ? `above ${above}` : min !== undefined ? `${min} or more` : undefined;
  const high = below !== undefined ? `below ${below}` : max !== undefined ? `${max} or less` : undefined;
  return [low, high].filter((part) => part !== undefined).join(" and ");
}

function within(value: unknown, { whole, min, max, above, below }: NumberOption): boolean {
  return (
    typeof value === "number" &&
    Number.isFinite(value) &&
    (!whole || Number.isInteger(value)) &&
    (min === undefined || value >= min) &&
    (max === undefined || value <= max) &&
    (above === undefined || value > above) &&
    (below === undefined || value < below)
  );
}

/** What a value of the option is, for messages: `a whole number (2–16)`. */
function expectedOf(option: OptionSpec): string {
  switch (option.kind) {
    case "choice":
      return `one of ${Object.keys(option.values).join(", ")}`;
    case "number": {
      const bounds = boundsText(option);
      return `a ${option.whole ? "whole " : ""}number${bounds && ` (${bounds})`}`;
    }
    case "flag":
      return "true or false";
    case "list":
      return "a list of words";
  }
}

/**
 * A value checked, old spellings renewed. `name` is put before the message: `quantize: weightBits`.
 * @throws {OptionsError} E2002 out of range, E2004 not in its set or of another type.
 */
export function checkedValue(name: string, option: OptionSpec, value: unknown): unknown {
  if (option.kind === "choice") {
    const { values, words = {}, open } = option;
    const word = typeof value === "string" && Object.hasOwn(words, value) ? words[value]! : value;
    if (typeof word === "string" && (open || Object.hasOwn(values, word))) return word;
    throw notOneOf(name, value, Object.keys(values));
  }
  const expected = expectedOf(option);
  if (option.kind === "number") {
    if (within(value, option)) return value;
    throw new OptionsError("E2002", `${name} ${String(value)} is not ${expected}`, { actual: value, expected });
  }
  const right =
    option.kind === "flag"
      ? typeof value === "boolean"
      : Array.isArray(value) && value.every((word) => typeof word === "string");
  if (right) return value;
  throw new OptionsError("E2004", `${name} ${JSON.stringify(value)} is not ${expected}`, { actual: value, expected });
}

/** The option that a name or an old name means. */
function optionNamed(table: OptionTable, name: string): string | undefined {
  if (Object.hasOwn(table, name)) return name;
  return Object.keys(table).find((key) => table[key]!.aliases?.includes(name));
}

/**
 * What was given, checked, under the names of the table; undefined is not given. `name` says who was asked. Keys of `more` are
 * taken as they are.
 * @throws {OptionsError} E2001 unknown option, with the nearest; E2002, E2004 a value.
 */
export function readOptions<T extends OptionTable>(
  name: string,
  table: T,
  given: object,
  more: readonly string[] = [],
): OptionsOf<T> {
  const read: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const known = optionNamed(table, key);
    if (known !== undefined) read[known] = checkedValue(`${name}: ${known}`, table[known]!, value);
    else if (more.includes(key)) read[key] = value;
    else throw unknownOption(name, key, [...Object.keys(table), ...more]);
  }
  return read as OptionsOf<T>;
}

/** The defaults of a table, for spreading under what was given. */
export function defaultsOf<T extends OptionTable>(table: T): DefaultsOf<T> {
  const entries = Object.entries(table).filter(([, option]) => option.default !== undefined);
  return Object.fromEntries(entries.map(([key, option]) => [key, option.default])) as DefaultsOf<T>;
}

/** Values of all options; undefined where there is no default. Narrower types are the reader's to know. */
export type DefaultsOf<T extends OptionTable> = { [K in keyof T]-?: ValueOf<T[K]> };
