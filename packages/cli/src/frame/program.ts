import { OptionsError } from "@equant/core/errors";
import { Command, CommanderError } from "commander";
import { COMMANDS } from "../commands/index.js";
import { type Io, writeAll } from "../files/io.js";
import { addGlobalOptions } from "../options/option-groups.js";
import { toolVersion } from "../version.js";
import type { CommandDefinition } from "./command.js";
import type { Invocation } from "./execute.js";
import { programHelp } from "./help.js";

/** The parser, with the commands in `loaded` fully configured and the others known by name only. */
function buildProgram(
  loaded: ReadonlyMap<string, CommandDefinition>,
  onInvoke: (invocation: Invocation) => void,
  out: (text: string) => void,
): Command {
  const program = new Command("equant");
  program
    .helpOption("-h, --help")
    .helpCommand("help [command]")
    .version(toolVersion(), "-V, --version")
    .enablePositionalOptions();
  program.helpInformation = programHelp;
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
      onInvoke({ name, definition, command, args: args.slice(0, -2), commands: COMMANDS });
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

/** Parses and runs a command line; returns the exit code. Throws what goes wrong before the command runs. */
export async function runProgram(argv: readonly string[], io: Io): Promise<number> {
  let printed = "";
  let invocation: Invocation | undefined;
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
    if (error.exitCode !== 0) throw (await import("./usage-error.js")).usageError(error, program);
  }
  if (printed !== "") await writeAll(io.stdout, printed);
  // Everything that only a running command needs loads here, so that help stays quick.
  return invocation ? await (await import("./execute.js")).execute(invocation, io) : 0;
}
