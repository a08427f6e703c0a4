import { type FileHandle, open } from "node:fs/promises";
import { ModelError, RunError } from "../errors.js";
import { fromSystemError } from "./system-errors.js";

/** Bytes of a file that is read whole, at most: what protobuf can hold, and more than JSON of this machine's kind has. */
export const MAX_WHOLE_BYTES = 2 ** 31 - 1;
export { MAX_TEXT_BYTES } from "../data/text.js";

/** Options for {@link readWhole}. */
export interface ReadWholeOptions {
  /** What messages call the file. Default: the path. */
  readonly name?: string;
  /** Most bytes. Default: {@link MAX_WHOLE_BYTES}. */
  readonly limit?: number;
}

/**
 * The content of a file. A pipe (`<(…)`, `/dev/stdin`) is read as far as the limit; a device is refused: some never end.
 * @throws {ModelError} E3001 missing, not readable, a folder, a device.
 * @throws {RunError} E6001 it holds more than the limit; E6006 too many files are open.
 */
export async function readWhole(path: string, { name = path, limit = MAX_WHOLE_BYTES }: ReadWholeOptions = {}) {
  let file: FileHandle | undefined;
  try {
    file = await open(path, "r");
    const info = await file.stat();
    requireNoDevice(info, name);
    if (info.isFile() && info.size > 0) {
      if (info.size > limit) throw tooLarge(name, info.size, limit);
      return new Uint8Array(await file.readFile());
    }
    // Of unknown length: a pipe, or a file that the system makes up while it is read.
    return await gathered(file.createReadStream({ autoClose: false }), name, limit);
  } catch (error) {
    throw fromSystemError(error, "read", name);
  } finally {
    await file?.close();
  }
}

/** All that a stream gives. @throws {RunError} E6001 it gives more than `limit` bytes. */
export async function gathered(
  stream: AsyncIterable<Uint8Array | string>,
  name: string,
  limit = MAX_WHOLE_BYTES,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    const bytes = typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk;
    chunks.push(bytes);
    length += bytes.length;
    if (length > limit) throw tooLarge(name, length, limit);
  }
  const all = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** @throws {ModelError} E3001 the file is a device or a socket. */
export function requireNoDevice(
  info: { isCharacterDevice(): boolean; isBlockDevice(): boolean; isSocket(): boolean },
  name: string,
): void {
  if (!info.isCharacterDevice() && !info.isBlockDevice() && !info.isSocket()) return;
  const hint = "give a file, or - for standard input";
  throw new ModelError("E3001", `cannot read ${name}: it is a device, a file was expected`, { file: name, hint });
}

function tooLarge(name: string, actual: number, expected: number): RunError {
  return new RunError("E6001", `cannot read ${name}: it holds ${actual} bytes or more, at most ${expected} are read`, {
    file: name,
    actual,
    expected,
    hint: "check that it is the file you meant",
  });
}
