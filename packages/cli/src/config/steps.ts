import { KEEP, STEPS, type StepDefinition } from "@equant/core/steps";
import { z } from "zod";
import { described, schemaOf } from "./option-schema.js";

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
