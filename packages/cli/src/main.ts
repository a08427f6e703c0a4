import type { ConfigInput } from "./config/schema.js";
import { type Io, processIo, writeAll } from "./files/io.js";

export type { Config, ConfigInput } from "./config/schema.js";
export { type Io, processIo } from "./files/io.js";

/** Types a config written as JavaScript or TypeScript: `export default defineConfig({ … })`. */
export function defineConfig(config: ConfigInput): ConfigInput {
  return config;
}

/** What is answered without loading the parser. */
const QUICK: ReadonlyMap<string, () => Promise<string>> = new Map([
  ["--version", async () => `${(await import("./version.js")).toolVersion()}\n`],
  ["--help", async () => (await import("./frame/help.js")).programHelp()],
  ["-h", async () => (await import("./frame/help.js")).programHelp()],
]);

/**
 * Runs `equant` with `argv` (without node and script) and returns the exit code. Never ends the process:
 * what was written must drain first.
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  try {
    const quick = argv.length === 1 ? QUICK.get(argv[0]!) : undefined;
    if (!quick) return await (await import("./frame/program.js")).runProgram(argv, io);
    await writeAll(io.stdout, await quick());
    return 0;
  } catch (error) {
    return (await import("./frame/usage-error.js")).failEarly(error, argv, io);
  }
}

/** The command in this process: sets the exit code and leaves the rest to Node. */
export async function runProcess(io: Io = processIo()): Promise<void> {
  // A reader that left (`equant … | head`) is no error; without a listener it would end the process with a stack.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") process.exitCode = 6;
    });
  }
  // What escapes every catch is a bug, and 1 would say that a gate failed.
  process.on("uncaughtException", async (error) => {
    const { renderError } = await import("./text/render-error.js");
    process.stderr.write(renderError(error, { verbose: process.argv.includes("-v") }), () => process.exit(70));
  });
  process.exitCode = await main(process.argv.slice(2), io);
}
