import type { Command } from "commander";
import type { CommandContext, CommandListing } from "./context.js";

/** One gate of a run: a limit the person set, and whether it held. A failed gate is exit code 1. */
export interface Gate {
  /** Option without dashes: `max-drop`. */
  readonly name: string;
  /** The limit as typed: `1pp`. */
  readonly limit: string;
  /** What was measured, as printed: `−9.48 pp`. */
  readonly actual: string;
  readonly passed: boolean;
}

/** What a command returns; the frame prints it. */
export interface CommandOutcome {
  /** `result` of the JSON envelope. */
  readonly result: unknown;
  /** What a person reads on stdout. Ends with a newline, or is empty. */
  readonly text: string;
  /** Gates, in the order they are reported. */
  readonly gates?: readonly Gate[];
  /** What to try next, printed on stderr as `hint: …`. */
  readonly hint?: string;
}

/** A command as `equant --help` knows it, and how to load the rest. */
export interface CommandEntry extends CommandListing {
  load(): Promise<CommandDefinition>;
}

/** A command: one file in src/commands, listed in src/commands/index.ts. */
export interface CommandDefinition {
  /** Adds arguments and options. Called for `--help` too: must not import anything heavy. */
  configure(command: Command): void;
  /**
   * Does the work. `args` are the arguments in the order they were declared. Heavy modules are imported here,
   * dynamically. Throws typed errors; returns what to print.
   */
  run(context: CommandContext, ...args: never[]): Promise<CommandOutcome>;
  /** False for commands without settings worth repeating (doctor, completion). Default: true. */
  readonly echoSettings?: boolean;
  /** Name of the config step whose keys are defaults of this command's options: `quantize`. */
  readonly step?: string;
  /** Settings that these options make meaningless: they are not echoed where they are defaults. */
  readonly unusedSettings?: (options: Record<string, unknown>) => readonly string[];
  /** Finds the config file where -c does not name it: its values are then defaults of the options, too. */
  readonly findConfig?: (cwd: string, ...args: never[]) => Promise<string | undefined>;
}
