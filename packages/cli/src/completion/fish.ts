import type { CompletionCommand, CompletionOption } from "./words.js";

export function fishCompletion(commands: readonly CompletionCommand[]): string {
  const names = commands.map(({ name }) => name).join(" ");
  const lines = [
    "# equant: completion for fish. Install:  equant completion fish > ~/.config/fish/completions/equant.fish",
    "function __equant_names",
    "    for word in (commandline -opc)",
    "        if string match -q -- '*.onnx' $word",
    "            equant __complete names $word 2>/dev/null",
    "            return",
    "        end",
    "    end",
    "end",
    `complete -c equant -n 'not __fish_seen_subcommand_from ${names}' -f`,
  ];
  for (const { name, summary, options, argumentValues } of commands) {
    lines.push(`complete -c equant -n 'not __fish_seen_subcommand_from ${names}' -a ${name} -d '${quote(summary)}'`);
    const when = `-n '__fish_seen_subcommand_from ${name}'`;
    if (argumentValues.length > 0) lines.push(`complete -c equant ${when} -f -a '${argumentValues.join(" ")}'`);
    for (const option of options) lines.push(`complete -c equant ${when} ${optionWords(option)}`);
  }
  return `${lines.join("\n")}\n`;
}

function optionWords({ flags, description, takesValue, values, completes }: CompletionOption): string {
  const names = flags.map((flag) => (flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`)).join(" ");
  return `${names} ${takesValue ? value(values, completes) : ""}-d '${quote(description)}'`;
}

function value(values: readonly string[], completes: CompletionOption["completes"]): string {
  if (completes === "names") return "-x -a '(__equant_names)' ";
  if (completes === "folder") return "-x -a '(__fish_complete_directories)' ";
  if (values.length > 0) return `-x -a '${values.join(" ")}' `;
  return completes === "file" ? "-r -F " : "-x ";
}

/** Text inside single quotes of fish, where a backslash escapes. */
function quote(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("'", "\\'");
}
