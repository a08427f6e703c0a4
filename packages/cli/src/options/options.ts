import { type ChoiceOption, checkedValue, kebab, type NumberOption, type OptionSpec } from "@equant/core/steps";
import { Option } from "commander";
import {
  type Bounds,
  parseBytes,
  parseChoice,
  parseInteger,
  parseNumber,
  parseNumbers,
  parsePp,
  parseShare,
  parseSize,
} from "./values.js";

/** What the shell offers for an option's value besides its closed set. */
export type Completes = "file" | "folder" | "names";

const completions = new WeakMap<Option, Completes>();

/** Marks how the shell completes the value of an option; `names` are the layer names of the model argument. */
export function completing(option: Option, how: Completes): Option {
  completions.set(option, how);
  return option;
}

export function completesOf(option: Option): Completes | undefined {
  return completions.get(option);
}

function build<T>(
  flags: string,
  description: string,
  parse: (name: string, value: string) => T,
  fallback: NoInfer<T> | undefined,
): Option {
  const option = new Option(flags, description);
  const name = option.long ?? flags;
  option.argParser((value: string) => parse(name, value));
  if (fallback !== undefined) option.default(fallback);
  return option;
}

/** Closed set: `choice("--weights <type>", "weight type", ["int8", "int16"], "int8")`. */
export function choice<T extends string>(
  flags: string,
  description: string,
  values: readonly T[],
  fallback?: NoInfer<T>,
): Option {
  const option = build(flags, description, (name, value) => parseChoice(name, value, values), fallback);
  option.argChoices = [...values];
  return option;
}

export function text(flags: string, description: string, fallback?: string): Option {
  return build(flags, description, (_name, value) => value, fallback);
}

export function integer(flags: string, description: string, bounds: Bounds = {}, fallback?: number): Option {
  return build(flags, description, (name, value) => parseInteger(name, value, bounds), fallback);
}

export function number(flags: string, description: string, bounds: Bounds = {}, fallback?: number): Option {
  return build(flags, description, (name, value) => parseNumber(name, value, bounds), fallback);
}

/** Comma-separated numbers. */
export function numbers(flags: string, description: string): Option {
  return build(flags, description, parseNumbers, undefined);
}

/** Pixels: N or HxW. */
export function size(flags: string, description: string): Option {
  return build(flags, description, parseSize, undefined);
}

/** Percentage points, for example `1pp`; the value is a fraction (0.01). */
export function points(flags: string, description: string): Option {
  return build(flags, description, parsePp, undefined);
}

/** Share, for example `83%` or `0.83`; the value is 0 to 1. */
export function share(flags: string, description: string): Option {
  return build(flags, description, parseShare, undefined);
}

/** Bytes, for example `4MB`. */
export function bytes(flags: string, description: string): Option {
  return build(flags, description, parseBytes, undefined);
}

/** Repeatable text: `--exclude A --exclude B` gives ["A", "B"]. Commas do not split: globs contain them. */
export function repeatable(flags: string, description: string): Option {
  const option = new Option(flags, description);
  option.argParser((value: string, previous: string[] | undefined) => [...(previous ?? []), value]);
  return option;
}

/** On/off without a value. */
export function flag(flags: string, description: string): Option {
  return new Option(flags, description);
}

interface DefinedAs {
  /** Put before the name, where options of several steps stand together. */
  readonly prefix?: string;
  /** What it is when it is not given, where that differs from the definition. */
  readonly fallback?: unknown;
  /** False: an option that is not given stays out, and the help says what it then is. */
  readonly preset?: boolean;
}

/** The flag of a defined option: `--weight-bits <n>`. */
export function defined(
  key: string,
  spec: OptionSpec,
  { prefix = "", fallback, preset = true }: DefinedAs = {},
): Option {
  const name = `${prefix}${kebab(key)}`;
  const value = fallback ?? (preset && spec.otherwise === undefined ? spec.default : undefined);
  const otherwise = spec.otherwise ?? (spec.default === undefined ? undefined : String(spec.default));
  const help = value !== undefined || otherwise === undefined ? spec.help : `${spec.help} (default: ${otherwise})`;
  switch (spec.kind) {
    case "flag":
      return spec.default === true ? flag(`--no-${name}`, `do without: ${spec.help}`) : flag(`--${name}`, help);
    case "list": {
      const option = repeatable(`--${name} <${spec.word}>`, `${help}; may be repeated`);
      return spec.completes ? completing(option, spec.completes) : option;
    }
    case "choice":
      return definedChoice(name, help, spec, value as string | undefined);
    case "number":
      return definedNumber(name, help, spec, value as number | undefined);
  }
}

function definedChoice(name: string, help: string, spec: ChoiceOption, fallback: string | undefined): Option {
  const { values, words = {}, open } = spec;
  const names = Object.keys(values);
  const also = open ? `: ${names.join(", ")}` : "";
  const read = (flag: string, value: string) => {
    const word = Object.hasOwn(words, value) ? words[value]! : value;
    return open ? word : parseChoice(flag, word, names);
  };
  const option = build(`--${name} <name>`, `${help}${also}`, read, fallback);
  if (!open) option.argChoices = names;
  return option;
}

function definedNumber(name: string, help: string, spec: NumberOption, fallback: number | undefined): Option {
  const { whole, share: part, min, max } = spec;
  const bounds = { ...(min !== undefined && { min }), ...(max !== undefined && { max }) };
  const read = (flag: string, value: string) => {
    const number = part
      ? parseShare(flag, value)
      : whole
        ? parseInteger(flag, value, bounds)
        : parseNumber(flag, value, bounds);
    return checkedValue(`${flag}:`, spec, number) as number;
  };
  return build(`--${name} <${part ? "share" : whole ? "n" : "number"}>`, help, read, fallback);
}
