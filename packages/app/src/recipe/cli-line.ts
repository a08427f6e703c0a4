import type { PreprocessOptions } from "@equant/core";
import { COMPRESS_RECIPE, definitionOf, kebab, type RecipeStep, STEPS, stepOptions } from "@equant/core/steps";
import { inOrder, type Recipe, stepOf } from "./recipe.js";

/** Names of files in a command. */
export interface CliNames {
  readonly model: string;
  readonly data: string;
  readonly output: string;
}

/** The command that does what the recipe says: flags of what is not the default, else a config file. */
export function cliLine(recipe: Recipe, { model, data, output }: CliNames): string {
  const { steps } = recipe;
  const uses = steps.map(({ use }) => use);
  const plain = uses.every((use) => use === "fold" || use === "quantize");
  // Flags say each step once, in the order of the book.
  const usual = new Set(uses).size === uses.length && inOrder(steps).every((step, index) => step === steps[index]);
  if (!usual) return "equant run equant.config.json";
  const quantize = stepOf(recipe, "quantize") ?? { use: "quantize" as const };
  const byDefault = definitionOf("quantize").options.calibrator!.default as string;
  const preset = COMPRESS_RECIPE.find(({ use }) => use === "quantize")!;
  const { calibrator = byDefault, ...others } = quantize;
  const usualCalibrator = plain ? byDefault : (stepOptions(preset).calibrator as string);
  const flags = [
    ...optionFlags({ ...others, ...(calibrator !== usualCalibrator && { calibrator }) }, ""),
    ...dataFlags(recipe.data.preprocess),
  ];
  const common = ["--data", data, "--samples", String(recipe.data.samples), ...flags, "-o", output];
  if (recipe.data.labels !== "auto") common.push("--labels", recipe.data.labels);
  if (plain) return line("quantize", model, common);
  return line("compress", model, [...STEPS.flatMap(({ use }) => stepFlags(recipe, use)), ...common]);
}

/** What the command must be told about a step that is not there, or not as the preset has it. */
function stepFlags(recipe: Recipe, use: RecipeStep["use"]): string[] {
  const { phase, flag } = definitionOf(use);
  if (phase === "prepare" || phase === "quantize") return [];
  const step = stepOf(recipe, use);
  const isPreset = COMPRESS_RECIPE.some((other) => other.use === use);
  if (!step) return !isPreset ? [] : flag ? [`--${use}`, "none"] : [`--no-${use}`];
  const { [flag ?? ""]: chosen, ...others } = stepOptions(step);
  const method = chosen ?? definitionOf(use).options[flag ?? ""]?.default;
  const isUsual = isPreset && (flag === undefined || method === definitionOf(use).options[flag]?.default);
  const shown = isUsual ? [] : flag ? [`--${use}`, String(method)] : [`--${use}`];
  return [...shown, ...optionFlags({ use, ...others } as RecipeStep, `${use}-`), ...pair(`--${use}-keep`, step.keep)];
}

/** Options that are not what they would be anyway. */
function optionFlags(step: RecipeStep, prefix: string): string[] {
  const { options } = definitionOf(step.use);
  return Object.entries(stepOptions(step)).flatMap(([key, value]) => {
    const spec = options[key]!;
    const name = `${prefix}${kebab(key)}`;
    if (value === undefined || (value === spec.default && spec.default !== undefined)) return [];
    if (Array.isArray(value)) return value.flatMap((word: string) => [`--${name}`, word]);
    if (spec.kind === "flag") return value === true ? [`--${name}`] : spec.default === true ? [`--no-${name}`] : [];
    return [`--${name}`, String(value)];
  });
}

function line(verb: string, model: string, args: readonly string[]): string {
  return ["equant", verb, model, ...args].map(quoted).join(" ");
}

function pair(flag: string, value: string | undefined): string[] {
  return value === undefined ? [] : [flag, value];
}

function dataFlags({ preset, mean, std, resize, crop, colorOrder }: PreprocessOptions): string[] {
  const list = (value: number | readonly number[] | undefined, by: string) =>
    value === undefined ? undefined : [value].flat().join(by);
  return [
    ...pair("--preset", preset),
    ...pair("--mean", list(mean, ",")),
    ...pair("--std", list(std, ",")),
    ...pair("--resize", list(resize, "x")),
    ...pair("--crop", list(crop, "x")),
    ...pair("--color-order", colorOrder),
  ];
}

/** A word as a POSIX shell takes it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
