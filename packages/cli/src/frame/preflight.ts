import { readFileSync } from "node:fs";

/** What keeps the command from working, whatever it is asked to do. */
export interface Obstacle {
  readonly code: "E6006" | "E6008";
  readonly message: string;
  readonly hint: string;
}

/** Files that Node and the modules loaded at once have open, at most; below, a process hangs or dies while it starts. */
const LEAST_FILES = 48;

/** Command lines that load no model: they are answered here, in half the time. */
export function isLight(argv: readonly string[]): boolean {
  const options = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
  const words = ["help", "completion", "schema", "__complete"];
  return (
    argv.length === 0 ||
    words.includes(argv[0]!) ||
    ["-h", "--help", "-V", "--version"].some((word) => options.includes(word))
  );
}

/** Looks at what a process is given before it loads anything. */
export function obstacle(argv: readonly string[]): Obstacle | undefined {
  const files = openFilesLimit();
  if (files < LEAST_FILES) {
    const message = `too many open files: ${files} are allowed, equant needs ${LEAST_FILES} and more`;
    return { code: "E6006", message, hint: "raise the limit (ulimit -n 4096) and try again" };
  }
  if (isLight(argv)) return undefined;
  try {
    process.cwd();
  } catch {
    const hint = "cd to a folder that exists, and try again";
    return { code: "E6008", message: "the working folder does not exist any more", hint };
  }
  return undefined;
}

/** Files that this process may have open; infinite where the system does not tell. */
function openFilesLimit(): number {
  try {
    const [, limit] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EMFILE" ? 0 : Number.POSITIVE_INFINITY;
  }
}

/** Says it in the words of `render-error.ts`, which cannot be loaded now; returns the exit code. */
export function refuse({ code, message, hint }: Obstacle, argv: readonly string[]): number {
  process.stderr.write(`error[${code}]: ${message}\n  hint: ${hint}\n  see docs/errors.md#${code.toLowerCase()}\n`);
  if (argv.includes("--json"))
    process.stdout.write(
      `${JSON.stringify({ schema: "equant.error/1", ok: false, error: { code, message, hint } })}\n`,
    );
  return 6;
}
