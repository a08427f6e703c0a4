import { didYouMean, exitCodeOf, OptionsError } from "@equant/core/errors";
import type { Command, CommanderError } from "commander";
import { COMMANDS } from "../commands/index.js";
import { type Io, writeAll } from "../files/io.js";
import { COLOR_MODES } from "../options/option-groups.js";
import { useColor } from "../text/color.js";
import { errorReport, renderError, toTypedError } from "../text/render-error.js";
import { envelope, toJson } from "./envelope.js";

/** An error before the options are known: what they say is read from the command line itself. */
export async function failEarly(error: unknown, argv: readonly string[], io: Io): Promise<number> {
  const verbose = argv.includes("-v") || argv.includes("--verbose");
  const mode = COLOR_MODES.find(
    (name) => argv.includes(`--color=${name}`) || argv[argv.indexOf("--color") + 1] === name,
  );
  const color = useColor(mode ?? "auto", io.env, io.stderr);
  await writeAll(io.stderr, renderError(error, { verbose, color }));
  if (argv.includes("--json")) {
    const command = COMMANDS.find((entry) => argv.includes(entry.name))?.name ?? "error";
    await writeAll(io.stdout, toJson(envelope({ command, error: errorReport(error) }))).catch(() => undefined);
  }
  return exitCodeOf(toTypedError(error));
}

/** Commander's complaints in equant's codes and words. */
export function usageError(error: CommanderError, program: Command): OptionsError {
  const message = error.message.replace(/^error: /, "");
  const quoted = /'([^']*)'/.exec(message)?.[1] ?? "";
  switch (error.code) {
    case "commander.unknownCommand":
    case "commander.excessArguments":
    case "commander.unknownOption":
      return unknown(error.code, quoted, message, program);
    case "commander.help":
      return unknownName("command", program.args[1] ?? "", visibleNames(), program);
    case "commander.missingArgument":
      return new OptionsError("E2005", `missing argument <${quoted}>`, { hint: helpHint(program) });
    case "commander.optionMissingArgument":
      return new OptionsError("E2005", `${quoted}: a value is missing`, { hint: helpHint(program) });
    case "commander.missingMandatoryOptionValue":
      return new OptionsError("E2005", `option ${quoted} is missing`, { hint: helpHint(program) });
    default:
      return new OptionsError("E2001", message, { hint: helpHint(program) });
  }
}

function unknown(code: string, word: string, message: string, program: Command): OptionsError {
  const current = activeCommand(program);
  const first = program.args[0] ?? word;
  // Options of a command that does not exist are unknown too, but not what is wrong.
  if (current === program && !first.startsWith("-")) return unknownName("command", first, visibleNames(), program);
  if (code === "commander.unknownOption") {
    const options = current.options.filter((option) => !option.hidden).flatMap((option) => option.long ?? []);
    return unknownName("option", word.split("=")[0]!, [...options, "--help"], program);
  }
  return new OptionsError("E2001", message, { hint: helpHint(program) });
}

function visibleNames(): string[] {
  return COMMANDS.filter((entry) => !entry.hidden).map((entry) => entry.name);
}

function unknownName(what: string, name: string, known: string[], program: Command): OptionsError {
  const hint = didYouMean(name, known) ?? helpHint(program);
  return new OptionsError("E2001", `unknown ${what} '${name}'`, { actual: name, expected: known, hint });
}

/** The subcommand being parsed, or the program. */
function activeCommand(program: Command): Command {
  const name = program.args[0];
  return program.commands.find((command) => command.name() === name) ?? program;
}

function helpHint(program: Command): string {
  const current = activeCommand(program);
  return current === program ? "equant --help lists the commands" : `equant ${current.name()} --help lists its options`;
}
