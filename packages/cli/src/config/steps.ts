import { KEEP, type OptionSpec, STEPS, type StepDefinition } from "@equant/core/steps";
import { z } from "zod";

/** The schema of an option, for editors: what a config says is checked by core itself. */
function schemaOf(option: OptionSpec): z.ZodType {
  switch (option.kind) {
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

function described(option: OptionSpec): z.ZodType {
  const { help, otherwise, default: value } = option;
  const fallback = otherwise ?? (value === undefined ? undefined : String(value));
  return schemaOf(option)
    .describe(fallback === undefined ? help : `${help} (default: ${fallback})`)
    .optional();
}

function stepSchema({ use, help, options, older = {} }: StepDefinition): z.ZodType {
  const entries = Object.entries({ ...options, keep: KEEP }).flatMap(([key, option]) => [
    [key, described(option)] as const,
    ...(option.aliases ?? []).map(
      (alias) => [alias, schemaOf(option).describe(`older name of ${key}`).optional()] as const,
    ),
  ]);
  const renewed = Object.entries(older).map(([key, now]) => [
    key,
    z.unknown().describe(`older form: ${now}`).optional(),
  ]);
  return z
    .strictObject({ use: z.literal(use), ...Object.fromEntries(entries), ...Object.fromEntries(renewed) })
    .describe(help);
}

/** A step of a recipe, for editors. */
export const stepsSchema = z.array(
  z.union(STEPS.map((step) => stepSchema(step as unknown as StepDefinition)) as [z.ZodType, z.ZodType]),
);
