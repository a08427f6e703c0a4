import { CompressionError, ERROR_CODES, type ErrorCode } from "@equant/core/errors";

/** An error as a card shows it: what happened, where, why, and what to do now. JSON-safe. */
export interface Problem {
  readonly code: ErrorCode;
  readonly what: string;
  readonly where: string;
  readonly why: string;
  readonly now: string;
  /** File, node or tensor that the details name. */
  readonly at?: string;
}

/** What to do where an error itself knows nothing better. */
const ADVICE: Partial<Record<ErrorCode, string>> = {
  E3002: "Drop an ONNX model file. The one that was open stays open.",
  E3005: "Drop the missing file together with the model.",
  E4003: "Start from the float model.",
  E5001: "Drop images: a folder, a zip, IDX or NumPy arrays.",
  E5003: "Open data that fits this model's input.",
  E6001: "Close other tabs, take fewer images, or run the command line below on this machine.",
  E6003: "The model may use operators this browser's runtime does not have; the command line may run it.",
  E6004: "Try again; if it stays, copy the report and open an issue.",
  E6005: "Nothing is lost: run it again when you like.",
  E7001: "Check the preprocessing first, then the model's weights.",
};
const UNKNOWN = "Copy the report and open an issue; your model is not part of it.";

/** Any thrown value as a problem; raw messages of the runtime are translated. */
export function problemOf(error: unknown): Problem {
  if (error instanceof CompressionError) return ofTyped(error);
  const message = error instanceof Error ? error.message : String(error);
  if (isMemory(error, message)) {
    return problem("E6001", "memory", "The browser gave this page no more memory.");
  }
  if (/quota/i.test(message)) return problem("E6002", "storage", "This site's storage is full.");
  return problem("E9001", "app", message || "An unexpected error.");
}

function ofTyped(error: CompressionError): Problem {
  const { code, message, details } = error;
  const cause = error.cause instanceof Error ? error.cause.message : String(error.cause ?? "");
  if (code.startsWith("E6") && code !== "E6005" && isMemory(error.cause, cause)) {
    return problem("E6001", message.split(":")[0]!, "The runtime ran out of memory.");
  }
  const cut = message.indexOf(": ");
  const where = cut > 0 ? message.slice(0, cut) : "equant";
  const why = cut > 0 ? message.slice(cut + 2) : message;
  const at = details.node ?? details.tensor ?? details.file;
  return {
    ...problem(code, where, sentence(translated(why))),
    ...(details.hint && { now: sentence(details.hint) }),
    ...(at !== undefined && { at }),
  };
}

function problem(code: ErrorCode, where: string, why: string): Problem {
  return { code, what: sentence(ERROR_CODES[code]), where, why, now: ADVICE[code] ?? UNKNOWN };
}

function isMemory(error: unknown, message: string): boolean {
  return (
    (error instanceof RangeError && /alloc|length|memory/i.test(message)) ||
    /out of memory|bad_alloc|Array buffer allocation|\bOOM\b|memory access out of bounds/i.test(message)
  );
}

/** ONNX Runtime in the browser reports bare numbers and aborts. */
function translated(why: string): string {
  if (/no available backend/.test(why))
    return "the browser could not start WebAssembly; reload the page, or try another browser";
  if (/\(\d{4,}\)$/.test(why))
    return `${why.replace(/\s*\(\d+\)$/, "")}: it stopped without saying why, most often for lack of memory`;
  return why.replace(/abort\(undefined\)\.?/i, "the runtime stopped, most often for lack of memory");
}

function sentence(text: string): string {
  const trimmed = text.trim();
  const upper = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(upper) ? upper : `${upper}.`;
}

/** Text of «Copy report»: no data of the model but the name the message holds. */
export function reportText(problem: Problem, facts: Readonly<Record<string, unknown>>): string {
  const { code, what, where, why, now, at } = problem;
  return `${JSON.stringify({ code, what, where, why, now, at, ...facts }, null, 2)}\n`;
}
