import type { OptionSpec } from "@equant/core/steps";
import { z } from "zod";
import type { FileOption, InputOption } from "../options/input-options.js";

/** The schema of an option, for editors: what a config says is checked by core itself. */
export function schemaOf(option: OptionSpec | FileOption): z.ZodType {
  switch (option.kind) {
    case "file":
      return z.string();
    case "flag":
      return z.boolean();
    case "list":
      return z.array(z.string());
    case "choice": {
      const words = [...Object.keys(option.values), ...Object.keys(option.words ?? {})];
      return option.open ? z.string() : z.enum(words as [string, ...string[]]);
    }
    case "number": {
      const { whole, min, max, above, below } = option;
      let number: z.ZodNumber = whole ? z.int() : z.number();
      if (min !== undefined) number = number.min(min);
      if (max !== undefined) number = number.max(max);
      if (above !== undefined) number = number.gt(above);
      if (below !== undefined) number = number.lt(below);
      return number;
    }
  }
}

/** The same as an optional key, with its help. */
export function described(option: OptionSpec | FileOption): z.ZodType {
  const { help, otherwise, default: value }: Pick<OptionSpec, "help" | "otherwise" | "default"> = option;
  const fallback = otherwise ?? (value === undefined ? undefined : String(value));
  return schemaOf(option)
    .describe(fallback === undefined ? help : `${help} (default: ${fallback})`)
    .optional();
}

/** What a config says for an option of the data. */
type ValueOf<O extends InputOption> = O extends { kind: "file" }
  ? string
  : O extends { kind: "list" }
    ? string[]
    : O extends { readonly type?: infer T }
      ? Exclude<T, undefined>
      : never;

/** The keys of a table of options, for an object of a schema. */
export function keysOf<T extends Readonly<Record<string, InputOption>>>(table: T) {
  const keys = Object.entries(table).map(([key, option]) => [key, described(option)]);
  return Object.fromEntries(keys) as { [K in keyof T]: z.ZodOptional<z.ZodType<ValueOf<T[K]>>> };
}
