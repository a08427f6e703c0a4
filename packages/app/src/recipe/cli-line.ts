import type { PreprocessOptions, QuantizeOptions } from "@equant/core/web";
import { type Recipe, stepOf } from "./recipe.js";

/** Names of files in a command. */
export interface CliNames {
  readonly model: string;
  readonly data: string;
  readonly output: string;
}

/** The command that does what the recipe says: flags of what is not the default, else a config file. */
export function cliLine(recipe: Recipe, { model, data, output }: CliNames): string {
  const quantize = stepOf(recipe, "quantize") ?? { use: "quantize" as const };
  const uses = recipe.steps.map(({ use }) => use);
  const plain = uses.every((use) => use === "fold" || use === "quantize");
  const flags = [...quantizeFlags(quantize, plain ? "minmax" : "tail"), ...dataFlags(recipe.data.preprocess)];
  const common = ["--data", data, "--samples", String(recipe.data.samples), ...flags, "-o", output];
  if (recipe.data.labels !== "auto") common.push("--labels", recipe.data.labels);
  if (plain) return line("quantize", model, common);
  const equalize = stepOf(recipe, "equalize");
  const bias = stepOf(recipe, "bias-correct");
  const rounding = stepOf(recipe, "ada-round");
  const tuning = stepOf(recipe, "tune-biases");
  const needsConfig =
    stepOf(recipe, "prune") !== undefined ||
    (rounding && Object.keys(rounding).length > 1) ||
    (tuning && Object.keys(tuning).length > 1) ||
    equalize?.sMax !== undefined ||
    bias?.samples !== undefined ||
    stepOf(recipe, "dead-channels")?.observed === false;
  if (needsConfig) return "equant run equant.config.json";
  return line("compress", model, [
    ...(stepOf(recipe, "dead-channels") ? [] : ["--no-dead-channels"]),
    ...pair("--equalize", equalize ? (equalize.method ?? "optimal") : "none", "optimal"),
    ...pair("--relu6", equalize?.relu6 ?? "auto", "auto"),
    ...pair("--bias-correct", bias ? (bias.method ?? "sequential") : "none", "sequential"),
    ...(rounding ? ["--ada-round"] : []),
    ...(tuning ? ["--tune-biases"] : []),
    ...common,
  ]);
}

function line(verb: string, model: string, args: readonly string[]): string {
  return ["equant", verb, model, ...args].map(quoted).join(" ");
}

function pair(flag: string, value: string | undefined, byDefault?: string): string[] {
  return value === undefined || value === byDefault ? [] : [flag, value];
}

/** `byDefault` is the chooser of the command without a flag. */
function quantizeFlags(options: QuantizeOptions, byDefault: string): string[] {
  const { target, granularity, weightBits, weightSymmetric, weightStorage, activations, activationBits } = options;
  const { activationSymmetric, bias, powerOfTwo, chooser, weightChooser, exclude } = options;
  return [
    ...pair("--target", target, "ort-cpu"),
    ...(weightSymmetric === false ? ["--weights", "uint8"] : []),
    ...pair("--weight-bits", weightBits === undefined ? undefined : String(weightBits), "8"),
    ...(granularity === "perChannel" ? ["--per-channel"] : granularity ? ["--granularity", "per-tensor"] : []),
    ...pair("--weight-storage", weightStorage, "auto"),
    ...pair("--activations", activations),
    ...pair("--activation-bits", activationBits === undefined ? undefined : String(activationBits)),
    ...(activationSymmetric ? ["--symmetric-activations"] : []),
    ...pair("--bias", bias),
    ...(powerOfTwo ? ["--power-of-two"] : []),
    ...pair("--calibrator", chooser ?? "minmax", byDefault),
    ...pair("--weight-calibrator", weightChooser, "minmax"),
    ...(exclude?.nodes ?? []).flatMap((node) => ["--exclude", node]),
    ...(exclude?.opTypes ?? []).flatMap((type) => ["--exclude-type", type]),
  ];
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
