import { DataError, type ErrorCode, type ErrorDetails } from "../errors.js";

/** A {@link DataError} about one file, in the house grammar, naming the file in text and details. */
export function fileError(
  code: ErrorCode,
  file: string,
  problem: string,
  hint: string,
  details: ErrorDetails = {},
  cause?: unknown,
): DataError {
  return new DataError(code, `data: "${file}" ${problem}`, { file, hint, ...details }, cause);
}

/** E5002 for a file that ends before the bytes its header promises. */
export function truncatedError(file: string, expected: number, actual: number): DataError {
  return fileError(
    "E5002",
    file,
    `is truncated: ${actual} bytes, its header promises ${expected}`,
    "Copy or download the file again.",
    { expected, actual },
  );
}

/** First line of what a foreign library threw: theirs are often several lines long. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n", 1)[0]!.trim();
}
