import { didYouMean } from "./nearest.js";

export { didYouMean, nearest } from "./nearest.js";

/**
 * Every failure of equant that has a cause a person can act on.
 *
 * A code is `E` and four digits; its first digit is the exit code of the command (docs/errors.md):
 * 1 gate, 2 usage or config, 3 file or graph, 4 unsupported operator or feature, 5 data, 6 resources, 7 numeric, 9 bug.
 */
export const ERROR_CODES = {
  E1001: "gate failed",
  E2001: "unknown option or key",
  E2002: "option value out of range",
  E2004: "option value not in its closed set",
  E2005: "required option or argument missing",
  E2006: "output path not usable",
  E2007: "config file invalid",
  E2103: "pattern or name matches nothing",
  E3001: "input file missing or unreadable",
  E3002: "not an ONNX file, or damaged",
  E3003: "graph invalid",
  E3004: "initializer missing or damaged",
  E3005: "external data missing or outside the model's folder",
  E3006: "weights contain NaN or Inf",
  E4001: "operator not supported by this step",
  E4002: "opset cannot be upgraded",
  E4003: "model is already quantized",
  E4004: "not supported by the target",
  E4005: "step does not apply to this model",
  E5001: "no data",
  E5002: "data file unreadable or damaged",
  E5003: "data shape does not fit the model",
  E5004: "labels missing or invalid",
  E5005: "archive unsafe or too large",
  E6001: "not enough memory",
  E6002: "cannot write: disk full or read-only",
  E6003: "ONNX Runtime could not load the model",
  E6004: "ONNX Runtime failed while running",
  E6005: "aborted",
  E6006: "too many open files",
  E6007: "ONNX Runtime would send telemetry",
  E6008: "working folder gone",
  E7001: "NaN or Inf in activations",
  E7002: "function drifted beyond tolerance",
  E7003: "training diverged",
  E7004: "pruning cut the network",
  E9001: "internal error",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Machine-readable facts of an error; JSON-safe. */
export interface ErrorDetails {
  node?: string;
  opType?: string;
  tensor?: string;
  file?: string;
  expected?: unknown;
  actual?: unknown;
  /** What to do next, one sentence for a person. */
  hint?: string;
  [key: string]: unknown;
}

/** Base of all typed errors: a stable `code`, JSON-safe `details`, and the original `cause`. */
export class CompressionError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.details = details;
  }

  /** One sentence that says what to do next, if one is known. */
  get hint(): string | undefined {
    return this.details.hint;
  }
}

/** The caller must act: an option, flag or config key is wrong. Thrown when the transform is created. */
export class OptionsError extends CompressionError {}

/** The file or graph must change. */
export class ModelError extends CompressionError {}

/** A valid model to which the transform does not apply. Thrown before any change. */
export class PreconditionError extends CompressionError {}

/** The images, labels or archive must change. */
export class DataError extends CompressionError {}

/** The machine or ONNX Runtime failed: memory, disk, numeric trouble, cancellation. */
export class RunError extends CompressionError {}

/** Exit code of the command for an error (docs/cli.md): first digit of the code; 9 and untyped errors are bugs, 70. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof CompressionError)) return 70;
  if (error.code === "E6005") return 130;
  const digit = Number(error.code[1]);
  return digit === 9 ? 70 : digit;
}

/** Throws {@link RunError} E6005 when the signal was aborted. */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw new RunError("E6005", `${what}: cancelled`, {}, signal.reason);
}

/** Throws {@link OptionsError} E2001 when `options` has a key that `allowed` does not list. */
export function rejectUnknownOptions(name: string, options: object, allowed: readonly string[]): void {
  for (const key of Object.keys(options)) {
    if (!allowed.includes(key)) throw unknownOption(name, key, allowed);
  }
}

/** Throws {@link OptionsError} E2004 when `value` is not in the closed set. */
export function requireOneOf<T extends string>(name: string, option: string, value: unknown, allowed: readonly T[]): T {
  if (!allowed.includes(value as T)) {
    throw notOneOf(`${name}: ${option}`, value, allowed);
  }
  return value as T;
}

/** E2001 with the nearest known key. */
export function unknownOption(name: string, key: string, known: readonly string[]): OptionsError {
  const message = `${name}: unknown option "${key}", expected one of ${known.join(", ")}`;
  return new OptionsError("E2001", message, { actual: key, expected: [...known], ...nearestHint(key, known) });
}

/** E2004 with the nearest member of the set; `what` is the option as it was asked. */
export function notOneOf(what: string, value: unknown, known: readonly string[]): OptionsError {
  const message = `${what} '${String(value)}' is not one of ${known.join(", ")}`;
  return new OptionsError("E2004", message, { actual: value, expected: [...known], ...nearestHint(value, known) });
}

function nearestHint(value: unknown, known: readonly string[]): { hint?: string } {
  const hint = typeof value === "string" ? didYouMean(value, known) : undefined;
  return hint === undefined ? {} : { hint };
}
