import type { CommandDefinition } from "../command.js";

/** A command as `equant --help` knows it, and how to load the rest. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly hidden?: boolean;
  load(): Promise<CommandDefinition>;
}

/** All commands, in the order of the help. Adding one: a file in this folder and a line here (docs/cli.md). */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "doctor",
    summary: "versions, runtime, threads and memory of this machine",
    load: async () => (await import("./doctor.js")).doctor,
  },
];
