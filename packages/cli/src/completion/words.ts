import { Command, type Option } from "commander";
import type { CommandListing } from "../frame/context.js";
import { addGlobalOptions } from "../options/option-groups.js";
import { type Completes, completesOf } from "../options/options.js";

export interface CompletionOption {
  /** `--weights`, and `-w` where there is one. */
  readonly flags: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
  /** The closed set, if there is one. */
  readonly values: readonly string[];
  readonly completes: Completes | undefined;
}

export interface CompletionCommand {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly CompletionOption[];
  /** Closed sets of the arguments; empty where files are meant. */
  readonly argumentValues: readonly string[];
}

/** Every visible command with its options: what the shells complete. */
export async function completionWords(commands: readonly CommandListing[]): Promise<CompletionCommand[]> {
  const visible = commands.filter((entry) => !entry.hidden);
  return Promise.all(
    visible.map(async ({ name, summary, load }) => {
      const command = new Command(name);
      (await load()).configure(command);
      addGlobalOptions(command);
      return {
        name,
        summary,
        options: [...command.options.filter((option) => !option.hidden).map(describeOption), HELP],
        argumentValues: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
      };
    }),
  );
}

const HELP: CompletionOption = {
  flags: ["--help", "-h"],
  description: "show this help",
  takesValue: false,
  values: [],
  completes: undefined,
};

export function describeOption(option: Option): CompletionOption {
  return {
    flags: [option.long, option.short].filter((name) => name !== undefined),
    description: option.description,
    takesValue: option.required || option.optional,
    values: option.argChoices ?? [],
    completes: completesOf(option),
  };
}
