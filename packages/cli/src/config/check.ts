import { OptionsError } from "@equant/core/errors";
import { type RecipeStep, readStep } from "@equant/core/steps";
import { z } from "zod";
import { type Config, shell } from "./schema.js";

type Issue = z.core.$ZodIssue;

/** Checks a config value; `file` is named in errors. @throws {OptionsError} E2007. */
export function checkConfig(raw: unknown, file: string): Config {
  const { steps, ...rest } = parse(shell, raw, file, []);
  if (steps === undefined) return rest;
  return { ...rest, steps: steps.map((step, i) => checkStep(step, file, i)) };
}

/** A step in names of today. The place in the file is put before what core says of it. */
function checkStep(step: unknown, file: string, index: number): RecipeStep {
  try {
    return readStep(step, `steps[${index}]`);
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    const key = error.code === "E2001" ? `steps[${index}].${String(error.details.actual)}` : `steps[${index}]`;
    throw new OptionsError("E2007", `${file}: ${error.message}`, { ...error.details, file, key }, error);
  }
}

function parse<T>(schema: z.ZodType<T>, value: unknown, file: string, base: readonly PropertyKey[]): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw configError(parsed.error.issues[0]!, schema, file, base);
}

function configError(issue: Issue, schema: z.ZodType, file: string, base: readonly PropertyKey[]): OptionsError {
  if (issue.code === "unrecognized_keys") {
    const key = issue.keys[0]!;
    const known = keysAt(schema, issue.path);
    const path = printPath([...base, ...issue.path, key]);
    return new OptionsError("E2007", `${file}: unknown key ${path}, expected one of ${known.join(", ")}`, {
      file,
      key: path,
      actual: key,
      expected: known,
    });
  }
  const path = printPath([...base, ...issue.path]);
  const where = path === "" ? file : `${file}: ${path}`;
  const message = issue.message.replace(/^Invalid (input|option): /, "");
  return new OptionsError("E2007", `${where}: ${message}`, { file, key: path });
}

/** Keys that the object schema at `path` allows. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let current: unknown = schema;
  for (const part of path) {
    const at = unwrap(current);
    if (at instanceof z.ZodObject) current = at.shape[String(part)];
    else if (at instanceof z.ZodArray) current = at.element;
    else return [];
  }
  const last = unwrap(current);
  return last instanceof z.ZodObject ? Object.keys(last.shape) : [];
}

function unwrap(schema: unknown): unknown {
  let current = schema;
  while (current instanceof z.ZodOptional) current = current.unwrap();
  return current;
}

/** `steps[1].weights` */
function printPath(path: readonly PropertyKey[]): string {
  return path
    .map((part, i) => (typeof part === "number" ? `[${part}]` : `${i === 0 ? "" : "."}${String(part)}`))
    .join("");
}
