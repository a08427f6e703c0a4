import { Argument } from "commander";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { parseChoice } from "../options/values.js";

const SHELLS = ["bash", "zsh", "fish", "powershell"] as const;
type Shell = (typeof SHELLS)[number];

/** `equant completion SHELL`: a script that completes commands, options, closed sets and layer names. */
export const completion: CommandDefinition = {
  echoSettings: false,
  configure(command) {
    const shell = new Argument("<shell>", "which shell").argParser((value: string) =>
      parseChoice("shell", value, SHELLS),
    );
    shell.argChoices = [...SHELLS];
    command
      .description("Prints a completion script for a shell.")
      .addArgument(shell)
      .addHelpText(
        "after",
        `
Install:
  bash        add to ~/.bashrc:   eval "$(equant completion bash)"
  zsh         add to ~/.zshrc:    eval "$(equant completion zsh)"
  fish        equant completion fish > ~/.config/fish/completions/equant.fish
  powershell  add to $PROFILE:    equant completion powershell | Out-String | Invoke-Expression
`,
      );
  },
  async run({ commands }: CommandContext, shell: Shell): Promise<CommandOutcome> {
    const { completionWords } = await import("../completion/words.js");
    const words = await completionWords(commands);
    const script = await generate(shell, words);
    return { result: { shell, script }, text: script };
  },
};

async function generate(
  shell: Shell,
  words: Awaited<ReturnType<typeof import("../completion/words.js").completionWords>>,
) {
  switch (shell) {
    case "bash":
      return (await import("../completion/bash.js")).bashCompletion(words);
    case "zsh":
      return (await import("../completion/zsh.js")).zshCompletion(words);
    case "fish":
      return (await import("../completion/fish.js")).fishCompletion(words);
    case "powershell":
      return (await import("../completion/powershell.js")).powershellCompletion(words);
  }
}
