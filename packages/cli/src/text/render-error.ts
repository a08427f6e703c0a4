import { CompressionError, didYouMean, type ErrorCode, type ErrorDetails, RunError } from "@equant/core/errors";
import { fromSystemError } from "../files/system-errors.js";
import { paint } from "./color.js";
import { visible } from "./visible.js";

/** An error as the JSON envelope carries it. */
export interface ErrorReport {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  /** Where: node, opType, tensor, file or config key, as far as known. */
  readonly at?: Record<string, unknown>;
  /** Names close to one that matched nothing. */
  readonly nearest?: readonly string[];
}

const BUG_HINT =
  "this is a bug in equant: please report it with the command line and the output of  equant doctor --json";
const LOCATION_KEYS = ["node", "opType", "tensor", "file", "key"] as const;

/** Page that explains a code. */
function docsPage(code: ErrorCode): string {
  return `docs/errors.md#${code.toLowerCase()}`;
}

/** Any thrown value as a typed error; what has no type is a bug (E9001). */
export function toTypedError(error: unknown): CompressionError {
  const mapped = fromSystemError(error);
  if (mapped instanceof CompressionError) return mapped;
  if (error instanceof RangeError && /allocation failed|invalid (typed )?array (buffer )?length/i.test(error.message)) {
    const hint = "close other programs, use a smaller --batch, or a machine with more memory";
    return new RunError("E6001", `not enough memory (${error.message})`, { hint }, error);
  }
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new CompressionError("E9001", `internal error (${what})`, { hint: BUG_HINT }, error);
}

export function errorReport(error: unknown): ErrorReport {
  const { code, message, details } = toTypedError(error);
  const hint = details.hint ?? suggestion(details);
  const at = Object.fromEntries(
    LOCATION_KEYS.flatMap((key) => (details[key] === undefined ? [] : [[key, details[key]]])),
  );
  const nearest = Array.isArray(details.nearest) ? (details.nearest as string[]) : [];
  return {
    code,
    message,
    ...(hint !== undefined && { hint }),
    ...(Object.keys(at).length > 0 && { at }),
    ...(nearest.length > 0 && { nearest }),
  };
}

/** `did you mean 'int8'?` for every error that says what was written and what would have been right. */
function suggestion({ actual, expected }: ErrorDetails): string | undefined {
  if (typeof actual !== "string" || !Array.isArray(expected)) return undefined;
  return didYouMean(
    actual,
    expected.filter((item) => typeof item === "string"),
  );
}

/** `error[E2103]: …` with nearest names, hint and page; the stack only when asked for. */
export function renderError(error: unknown, options: { verbose?: boolean; color?: boolean } = {}): string {
  const { code, message, hint, nearest } = errorReport(error);
  const style = paint(options.color ?? false);
  const lines = [`${style.red(style.bold(`error[${code}]:`))} ${visible(message)}`];
  if (nearest) lines.push(`  nearest: ${nearest.map(visible).join(", ")}`);
  if (hint !== undefined) lines.push(`  ${style.cyan("hint:")} ${visible(hint)}`);
  lines.push(style.dim(`  see ${docsPage(code)}`));
  if (options.verbose) lines.push(...stackLines(error));
  return `${lines.join("\n")}\n`;
}

/** The stack and those of its causes. */
function stackLines(error: unknown): string[] {
  const lines: string[] = [];
  for (let current = error, depth = 0; current instanceof Error && depth < 5; current = current.cause, depth++) {
    const stack = current.stack ?? String(current);
    lines.push(...`${depth === 0 ? "" : "caused by "}${stack}`.split("\n").map((line) => `  ${visible(line)}`));
  }
  return lines;
}
