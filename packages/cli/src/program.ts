import { exitCodeOf, OptionsError } from "@equant/core/errors";
import { Command, CommanderError } from "commander";
import { useColor } from "./color.js";
import type { CommandDefinition } from "./command.js";
import { COMMANDS } from "./commands/index.js";
import { envelope, toJson } from "./envelope.js";
import { execute, type Invocation } from "./execute.js";
import { type Io, writeAll } from "./io.js";
import { didYouMean } from "./nearest.js";
import { addGlobalOptions } from "./option-groups.js";
import { errorReport, renderError, toTypedError } from "./render-error.js";
import { toolVersion } from "./version.js";

const EXIT_CODES = `
Exit codes:
  0 done · 1 gate failed · 2 usage or config · 3 model missing or invalid · 4 unsupported operator or feature
  5 data · 6 memory or disk · 7 numeric · 70 bug in equant · 130/143 interrupted
`;

/** The parser, with the commands in `loaded` fully configured and the others known by name only. */
export function buildProgram(
  loaded: ReadonlyMap<string, CommandDefinition>,
  onInvoke: (invocation: Invocation) => void,
  out: (text: string) => void,
): Command {
  const program = new Command("equant");
  program
    .description("Post-training compression of ONNX models: equalize, calibrate, quantize, verify, explain.")
    .usage("<command> <input> [options]")
    .version(toolVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "show this help")
    .helpCommand("help [command]", "show the help of a command")
    .enablePositionalOptions()
    .addHelpText("after", EXIT_CODES);
  quiet(program, out);
  for (const { name, summary, hidden } of COMMANDS) {
    const command = program
      .command(name, { hidden: hidden ?? false })
      .summary(summary)
      .description(summary);
    quiet(command, out);
    const definition = loaded.get(name);
    if (!definition) continue;
    definition.configure(command);
    addGlobalOptions(command);
    command.action((...args: unknown[]) => {
      // Commander appends the options and the command itself.
      onInvoke({ name, definition, command, args: args.slice(0, -2) });
    });
  }
  program.action(() => {
    throw new OptionsError("E2005", "which command?", { hint: "equant --help lists the commands" });
  });
  return program;
}

/** Errors are thrown instead of printed, and nothing ends the process. */
function quiet(command: Command, out: (text: string) => void): void {
  command
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureOutput({ writeOut: out, writeErr: () => {}, getOutHelpWidth: () => 100 });
}

/** Loads the definitions of every command named in `argv`: at most one is meant, loading another does no harm. */
async function loadNamed(argv: readonly string[]): Promise<Map<string, CommandDefinition>> {
  const named = COMMANDS.filter((entry) => argv.includes(entry.name));
  return new Map(await Promise.all(named.map(async (entry) => [entry.name, await entry.load()] as const)));
}

/** Global options before the command count as if written after it: `equant --json doctor`. */
function commandFirst(argv: readonly string[]): string[] {
  const names = new Set(COMMANDS.map((entry) => entry.name));
  const at = argv.findIndex((word) => names.has(word));
  const before = argv.slice(0, Math.max(at, 0));
  if (at <= 0 || before.includes("help") || before.includes("--")) return [...argv];
  return [argv[at]!, ...before, ...argv.slice(at + 1)];
}

/** Parses and runs a command line; returns the exit code. */
export async function runProgram(argv: readonly string[], io: Io): Promise<number> {
  let printed = "";
  let invocation: Invocation | undefined;
  try {
    const loaded = await loadNamed(argv);
    const program = buildProgram(
      loaded,
      (found) => {
        invocation = found;
      },
      (text) => {
        printed += text;
      },
    );
    try {
      program.parse(commandFirst(argv), { from: "user" });
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      if (error.exitCode !== 0) throw usageError(error, program);
    }
    if (printed !== "") await writeAll(io.stdout, printed);
    return invocation ? await execute(invocation, io) : 0;
  } catch (error) {
    return failEarly(error, argv, io);
  }
}

/** An error before the options are known: what they say is read from the command line itself. */
async function failEarly(error: unknown, argv: readonly string[], io: Io): Promise<number> {
  const verbose = argv.includes("-v") || argv.includes("--verbose");
  await writeAll(io.stderr, renderError(error, { verbose, color: useColor("auto", io.env, io.stderr) }));
  if (argv.includes("--json")) {
    const command = COMMANDS.find((entry) => argv.includes(entry.name))?.name ?? "error";
    await writeAll(io.stdout, toJson(envelope({ command, error: errorReport(error) })));
  }
  return exitCodeOf(toTypedError(error));
}

/** Commander's complaints in equant's codes and words. */
function usageError(error: CommanderError, program: Command): OptionsError {
  const message = error.message.replace(/^error: /, "");
  const quoted = /'([^']*)'/.exec(message)?.[1] ?? "";
  switch (error.code) {
    case "commander.unknownCommand":
    case "commander.excessArguments":
    case "commander.unknownOption":
      return unknown(error.code, quoted, message, program);
    case "commander.missingArgument":
      return new OptionsError("E2005", `missing argument <${quoted}>`, { hint: helpHint(program) });
    case "commander.optionMissingArgument":
      return new OptionsError("E2005", `${quoted}: a value is missing`, { hint: helpHint(program) });
    default:
      return new OptionsError("E2001", message, { hint: helpHint(program) });
  }
}

function unknown(code: string, word: string, message: string, program: Command): OptionsError {
  const current = activeCommand(program);
  if (code === "commander.unknownOption") {
    const name = word.split("=")[0]!;
    const options = current.options.filter((option) => !option.hidden).flatMap((option) => option.long ?? []);
    const hint = didYouMean(name, [...options, "--help"]) ?? helpHint(program);
    return new OptionsError("E2001", `unknown option ${name}`, { actual: name, hint });
  }
  if (current === program) {
    const names = COMMANDS.filter((entry) => !entry.hidden).map((entry) => entry.name);
    const name = word !== "" ? word : (program.args[0] ?? "");
    const hint = didYouMean(name, names) ?? helpHint(program);
    return new OptionsError("E2001", `unknown command '${name}'`, { actual: name, expected: names, hint });
  }
  return new OptionsError("E2001", message, { hint: helpHint(program) });
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
