import { OptionsError } from "@equant/core/errors";
import type { TaskName } from "@equant/core/lab";
import { PROVIDER_CHOICES, type ProviderChoice } from "@equant/core/steps";
import type { Command } from "commander";
import { Option } from "commander";
import { IMAGE_OPTIONS, INPUT_OPTIONS, inputFlags } from "./input-options.js";
import { bytes, choice, completing, flag, integer, numbers, share, size, text } from "./options.js";

/** Preprocessing presets by name; a file with a preset may be given instead. */
export const PRESETS = ["imagenet", "tf", "zero-one", "raw"] as const;
const TABLE_FORMATS = ["text", "md", "csv"] as const;
const PROGRESS_MODES = ["auto", "plain", "json", "none"] as const;
export const COLOR_MODES = ["auto", "always", "never"] as const;

export type TableFormat = (typeof TABLE_FORMATS)[number];
export type ProgressMode = (typeof PROGRESS_MODES)[number];
export type ColorMode = (typeof COLOR_MODES)[number];

/** Options of every command; see {@link addGlobalOptions}. */
export interface GlobalOptions {
  config?: string;
  json?: boolean;
  table: TableFormat;
  quiet?: boolean;
  verbose?: boolean;
  progress: ProgressMode;
  color: ColorMode;
  seed: number;
  threads?: number;
  provider?: ProviderChoice;
  maxMemory?: number;
  dryRun?: boolean;
  log?: string;
}

/** The frame adds these to every command; a command only reads them. */
export function addGlobalOptions(command: Command): Command {
  return command
    .optionsGroup("Global options:")
    .addOption(completing(text("-c, --config <file>", "take defaults from a config file"), "file"))
    .addOption(integer("--seed <n>", "seed of everything random", { min: 0, max: 2 ** 32 - 1 }, 0))
    .addOption(integer("--threads <n>", "threads (default: cores of this machine)", { min: 1, max: 1024 }))
    .addOption(
      choice(
        "--provider <name>",
        "what executes networks; auto: the first that works here (default: cpu)",
        PROVIDER_CHOICES,
      ),
    )
    .addOption(bytes("--max-memory <size>", "memory the run may take, such as 4GB (default: 70 % of what is free)"))
    .addOption(flag("--dry-run", "check everything and say what would be done; write nothing"))
    .addOption(flag("--json", "print one JSON document on stdout"))
    .addOption(choice("--table <format>", "how tables are printed", TABLE_FORMATS, "text"))
    .addOption(choice("--progress <mode>", "how progress is shown on stderr", PROGRESS_MODES, "auto"))
    .addOption(choice("--color <when>", "colours (also NO_COLOR, FORCE_COLOR)", COLOR_MODES, "auto"))
    .addOption(flag("-q, --quiet", "only results and errors"))
    .addOption(flag("-v, --verbose", "more detail, and stack traces of errors"))
    .addOption(completing(text("--log <file>", "append everything said on stderr to a file"), "file"))
    .helpOption("-h, --help", "show this help");
}

/** Options that say which samples to read and how to turn them into input; see {@link addDataOptions}. */
export interface DataOptions {
  data?: string;
  labels?: string;
  samples?: number;
  split?: number;
  batch?: number;
  preset?: string;
  mean?: number[];
  std?: number[];
  resize?: number | [number, number];
  crop?: number | [number, number];
  layout?: "NCHW" | "NHWC";
  size?: string[];
  state?: string[];
  feedBack?: string[];
  tokenizer?: string;
  sampleRate?: number;
  stride?: number;
  colorOrder?: "RGB" | "BGR" | "gray";
  fit?: "stretch" | "letterbox" | "corner";
  pad?: number;
}

function presetOption(): Option {
  const option = new Option("--preset <name>", "preprocessing: imagenet, tf (-1 to 1), zero-one, raw, or a JSON file");
  option.argParser((value: string) => {
    // A name that could be a path is one; anything else must be a known preset.
    if ((PRESETS as readonly string[]).includes(value) || /[./\\]/.test(value)) return value;
    throw new OptionsError("E2004", `--preset: '${value}' is not one of ${PRESETS.join(", ")}, or a .json file`, {
      actual: value,
      expected: [...PRESETS],
    });
  });
  option.argChoices = [...PRESETS];
  return option;
}

const SPLIT = "calibrate on this share of every class, drawn with --seed; measure on the rest";

/** Which part of the data is calibrated on; `what` says what the share is for. */
export function splitOption(what = SPLIT): Option {
  return share("--split <share>", what);
}

/**
 * For commands that read images. `samples` is the command's own default; without one all samples are used. `split` says what a
 * share of them is for.
 */
export function addDataOptions(
  command: Command,
  { samples, split }: { samples?: number; split?: string } = {},
): Command {
  command
    .optionsGroup("Data options:")
    .addOption(
      completing(text("--data <path>", "folder, zip, npy, npz, idx, csv or image; or the word random"), "file"),
    )
    .addOption(completing(text("--labels <how>", "auto, folders, none, or a csv or npy file (default: auto)"), "file"))
    .addOption(integer("--samples <n>", "samples to use, spread evenly over the data", { min: 1 }, samples))
    .addOption(splitOption(split))
    .addOption(integer("--batch <n>", "samples at a time (default: by memory); never changes results", { min: 1 }))
    .addOption(presetOption())
    .addOption(
      numbers("--mean <numbers>", "subtracted, in pixel units 0-255: one number or one a channel, comma-separated"),
    )
    .addOption(numbers("--std <numbers>", "divided by, in pixel units 0-255: one number or one a channel"))
    .addOption(size("--resize <n|HxW>", "resize; a single number is the shorter side"))
    .addOption(size("--crop <n|HxW>", "then crop the centre"));
  for (const option of [...inputFlags(IMAGE_OPTIONS), ...inputFlags(INPUT_OPTIONS)]) command.addOption(option);
  return command;
}

/** What a network is for; see {@link addTaskOptions}. */
export interface TaskFlags {
  task?: TaskName;
  decode?: string;
  metric?: string;
}

/** The tasks of core's table, by name alone: `--help` reads no core. A test holds them equal. */
export const TASK_NAMES = [
  "classification",
  "detection",
  "segmentation",
  "keypoints",
  "sequence",
  "embedding",
  "score",
  "regression",
] as const satisfies readonly TaskName[];

/** For commands that ask what a change costs. */
export function addTaskOptions(command: Command): Command {
  return command
    .optionsGroup("Task options:")
    .addOption(choice("--task <name>", "what the model is for: figures and limits are in its measure", TASK_NAMES))
    .addOption(
      completing(text("--decode <file>", "how outputs are read, as JSON or a module (default: recognised)"), "file"),
    )
    .addOption(completing(text("--metric <file>", "a module with a figure of your own, judged instead"), "file"));
}

/** Options of commands that write a file or folder; see {@link addOutputOptions}. */
export interface OutputOptions {
  output?: string;
  out?: string;
  overwrite?: boolean;
}

/** Where the weights of a written model go. */
export interface ModelOutputOptions {
  externalData: "auto" | "inline" | "all";
}

/** For commands that write a model. */
export function addModelOutputOptions(command: Command): Command {
  command.optionsGroup("Output options:");
  return command.addOption(
    choice(
      "--external-data <how>",
      "weights in a second file, FILE.data: auto (over 1 GiB), inline (never), all",
      ["auto", "inline", "all"],
      "auto",
    ),
  );
}

/** `file`: `-o FILE`, `required` where the command is nothing without; `folder`: `--out DIR`. Either way `--overwrite`. */
export function addOutputOptions(
  command: Command,
  what: { file?: string; folder?: string; required?: boolean } = { file: "where the model is written; - is stdout" },
): Command {
  command.optionsGroup("Output options:");
  if (what.file) {
    const output = completing(text("-o, --output <file>", what.file), "file");
    command.addOption(what.required ? output.makeOptionMandatory() : output);
  }
  if (what.folder) command.addOption(completing(text("--out <dir>", what.folder), "folder"));
  return command.addOption(flag("--overwrite", "replace files that exist already"));
}
