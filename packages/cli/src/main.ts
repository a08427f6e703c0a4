import type { ConfigInput } from "./config/schema.js";
import { type Io, processIo } from "./io.js";

export type { Config, ConfigInput } from "./config/schema.js";
export type { Io } from "./io.js";

/** Types a config written as JavaScript or TypeScript: `export default defineConfig({ … })`. */
export function defineConfig(config: ConfigInput): ConfigInput {
  return config;
}

/**
 * Runs `equant` with `argv` (without node and script) and returns the exit code. Never ends the process:
 * what was written must drain first.
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const { runProgram } = await import("./program.js");
  return runProgram(argv, io);
}

/** The command as a process: sets the exit code and leaves the rest to Node. */
export async function runProcess(): Promise<void> {
  // A reader that left (`equant … | head`) is no error; without a listener it would end the process with a stack.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") process.exitCode = 6;
    });
  }
  process.exitCode = await main(process.argv.slice(2), processIo());
}
