import { OptionsError } from "@equant/core/errors";
import {
  COMPRESS_RECIPE,
  definitionOf,
  KEEP,
  kebab,
  type RecipeStep,
  readStep,
  readSteps,
  STEPS,
  type StepName,
  type StepOf,
} from "@equant/core/steps";
import type { Command, Option } from "commander";
import { choice, defined, flag } from "./options.js";

/** Flags of one step as commander gives them. */
export type StepFlags<N extends StepName> = { -readonly [K in keyof Omit<StepOf<N>, "use" | "keep">]: StepOf<N>[K] };

/** Flags that belong to every command; a step's option of the same name follows them. */
const GLOBAL = ["seed"];

interface StepOptionsAs {
  /** What options are when they are not given, where that differs from the book. */
  readonly defaults?: Readonly<Record<string, unknown>>;
  /** Put before every flag, where options of several steps stand together. */
  readonly prefix?: string;
  /** Options that another flag sets. */
  readonly without?: readonly string[];
}

/** Adds the options of a step, and its old flags, which no help shows. */
export function addStepOptions(
  command: Command,
  use: StepName,
  { defaults = {}, prefix = "", without = [] }: StepOptionsAs = {},
): void {
  for (const [key, spec] of Object.entries(definitionOf(use).options)) {
    if (GLOBAL.includes(key) || without.includes(key)) continue;
    // Together with other steps nothing is preset: an option that was not given leaves the step as it is.
    command.addOption(defined(key, spec, { prefix, fallback: defaults[key], preset: prefix === "" }));
    if (prefix !== "") continue;
    for (const alias of spec.aliases ?? []) {
      if (kebab(alias) !== kebab(key)) command.addOption(defined(alias, spec, { preset: false }).hideHelp());
    }
  }
}

/** What the flags say about a step, old flags included, under the names of its options. */
export function givenOptions(use: StepName, flags: object): Record<string, unknown> {
  const values = flags as Readonly<Record<string, unknown>>;
  const given: Record<string, unknown> = {};
  for (const [key, { aliases = [] }] of Object.entries(definitionOf(use).options)) {
    if (GLOBAL.includes(key)) continue;
    const value = [...aliases, key].map((name) => values[name]).find((value) => value !== undefined);
    if (value !== undefined) given[key] = value;
  }
  return given;
}

/** Steps that have flags of their own in {@link addRecipeFlags}: all but those that are always there. */
const SWITCHED = STEPS.filter(({ phase }) => phase === "float" || phase === "integer").map(
  ({ use }) => use as StepName,
);

function isPreset(use: StepName): boolean {
  return COMPRESS_RECIPE.some((step) => step.use === use);
}

/** A flag that switches each step, with its method where it has several, and all other options as `--STEP-OPTION`. */
export function addRecipeFlags(command: Command): void {
  command.optionsGroup("Steps:");
  for (const use of SWITCHED) {
    const { help, flag: key, options } = definitionOf(use);
    const spec = key === undefined ? undefined : options[key];
    if (spec?.kind === "choice") {
      const words = Object.keys(spec.values);
      const fallback = isPreset(use) ? (spec.default as string) : undefined;
      const option = choice(`--${use} <${key}>`, help, [...words, "none"], fallback);
      const parse = option.parseArg!;
      option.argParser((value: string, previous: unknown) => parse(spec.words?.[value] ?? value, previous as never));
      command.addOption(option);
    } else command.addOption(isPreset(use) ? flag(`--no-${use}`, `do without: ${help}`) : flag(`--${use}`, help));
  }
  command.addOption(keepOption());
  command.addOption(defined("relu6", definitionOf("equalize").options.relu6!, { preset: false }).hideHelp());
  command.optionsGroup("Options of single steps:");
  for (const use of SWITCHED) {
    const { flag: key } = definitionOf(use);
    addStepOptions(command, use, { prefix: `${use}-`, without: key === undefined ? [] : [key] });
    command.addOption(defined("keep", KEEP, { prefix: `${use}-` }));
  }
}

/** Decides for all steps that do not decide themselves. */
export function keepOption(): Option {
  return choice("--keep <which>", "steps that pay, or all of them (default: those that pay, and pruning)", [
    ...(Object.keys(KEEP.values) as ("better" | "always")[]),
  ]);
}

function camel(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** The recipe that the flags of {@link addRecipeFlags} say. @throws {OptionsError} E2005 options of a step that is not taken. */
export function recipeOf(flags: Readonly<Record<string, unknown>>, quantize: StepOf<"quantize">): RecipeStep[] {
  const steps = STEPS.flatMap(({ use }): RecipeStep[] => {
    if (use === "quantize") return [quantize];
    if (!SWITCHED.includes(use)) return [{ use } as RecipeStep];
    const { flag: key, options } = definitionOf(use);
    const names = [...Object.keys(options), "keep"].filter((name) => name !== key);
    const given = names.flatMap((name) => {
      const value = flags[camel(`${use}-${kebab(name)}`)];
      return value === undefined || value === options[name]?.default ? [] : [[name, value] as const];
    });
    if (use === "equalize" && flags.relu6 !== undefined) given.push(["relu6", flags.relu6]);
    const choice = flags[camel(use)];
    if (choice === false || choice === undefined || choice === "none") {
      const [name] = given[0] ?? [];
      if (name === undefined || name === "relu6") return [];
      throw new OptionsError("E2005", `--${use}-${kebab(name)} needs the step ${use}`, {
        hint: `add --${use}${key === undefined ? "" : ` <${key}>`}, or leave the option out`,
      });
    }
    // What was not chosen by name is left to the step.
    const method = key === undefined || choice === options[key]!.default ? {} : { [key]: choice };
    return [readStep({ use, ...method, ...Object.fromEntries(given) }, use)];
  });
  return keeping(readSteps(steps), flags.keep);
}

/** Steps that do not say themselves when they stay, told by `--keep`. */
export function keeping(steps: readonly RecipeStep[], keep: unknown): RecipeStep[] {
  if (keep === undefined) return [...steps];
  const decides = (use: StepName) => SWITCHED.includes(use);
  return steps.map((step) => (decides(step.use) ? ({ keep, ...step } as RecipeStep) : step));
}
