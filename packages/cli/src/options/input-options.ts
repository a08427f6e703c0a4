import { type ChoiceOption, count, kebab, type ListOption, list, type NumberOption, oneOf } from "@equant/core/steps";
import type { Option } from "commander";
import { completing, defined, text } from "./options.js";

/** A file that the shell completes, relative to the config that names it. */
export interface FileOption {
  readonly kind: "file";
  readonly help: string;
}

export type InputOption = (ListOption & { readonly holdsFile?: boolean }) | NumberOption | ChoiceOption | FileOption;

/** How data become what the model takes: flags of every command that reads data, and keys of `data` in a config. */
export const INPUT_OPTIONS = {
  size: list("a size that the model leaves open", { word: "name=n" }),
  state: {
    ...list("an input that is the same in all samples, as .npy or a number; states begin at zero", {
      word: "name=file",
    }),
    holdsFile: true,
  },
  feedBack: list("a state that goes on: an output, and the input that it is in the next sample of a file", {
    word: "output=input",
  }),
  tokenizer: { kind: "file", help: "tokenizer.json of the model, for text with one sample a line" },
  sampleRate: count("Hz that sound is resampled to", { min: 1, otherwise: "that of the files" }),
  stride: count(
    "numbers from one window of sound or of a bare float file to the next; its length, where the model leaves it open",
    {
      min: 1,
      otherwise: "one window",
    },
  ),
} as const satisfies Readonly<Record<string, InputOption>>;

/** How images become what the model takes: flags, and keys of `data.preprocess` in a config. */
export const IMAGE_OPTIONS = {
  fit: oneOf(
    "whether images keep their proportions",
    { stretch: "they do not", letterbox: "centred", corner: "at the top left" },
    { otherwise: "stretch" },
  ),
  pad: count("grey of what an image that keeps its proportions does not cover", { min: 0, max: 255, otherwise: "114" }),
  layout: oneOf("axis order of the model's input", { NCHW: "channels first", NHWC: "channels last" }),
  colorOrder: oneOf("channel order of the model's input", { RGB: "red first", BGR: "blue first", gray: "grey" }),
} as const satisfies Readonly<Record<string, InputOption>>;

export const INPUT_KEYS = Object.keys(INPUT_OPTIONS) as (keyof typeof INPUT_OPTIONS)[];

/** The flags of a table, in its order. */
export function inputFlags(table: Readonly<Record<string, InputOption>>): Option[] {
  return Object.entries(table).map(([key, spec]) =>
    spec.kind === "file" ? completing(text(`--${kebab(key)} <file>`, spec.help), "file") : defined(key, spec),
  );
}

/** Values of a config with their files resolved by `at`. */
export function withFiles(
  values: Readonly<Record<string, unknown>>,
  at: (path: string) => string,
): Record<string, unknown> {
  const table: Readonly<Record<string, InputOption>> = INPUT_OPTIONS;
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => {
      const spec = table[key];
      if (spec?.kind === "file" && typeof value === "string") return [key, at(value)];
      if (spec?.kind === "list" && spec.holdsFile)
        return [key, (value as readonly string[]).map((own) => fileAt(own, at))];
      return [key, value];
    }),
  );
}

/** `h=start.npy` with its file resolved; a number stays one. */
function fileAt(text: string, at: (path: string) => string): string {
  const equals = text.indexOf("=");
  const value = text.slice(equals + 1);
  return Number.isFinite(Number(value)) ? text : `${text.slice(0, equals + 1)}${at(value)}`;
}
