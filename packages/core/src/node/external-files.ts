import { closeSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, relative, sep, win32 } from "node:path";
import { ModelError, RunError } from "../errors.js";
import type { ExternalReader } from "../graph/index.js";
import { fromSystemError } from "./system-errors.js";

/** A single read of the system takes less than 2 GiB. */
const READ_BYTES = 2 ** 30;

/**
 * The files that hold external data of one model: found beside it, and only there. A model from the internet must not
 * read other files of the person who opens it, so locations that are absolute, contain `..`, or leave the folder through
 * a link are refused (CVE-2022-25882 and its successors in the onnx package).
 */
export class ExternalFiles {
  readonly #folder: string;
  readonly #roots: readonly string[];
  readonly #files = new Map<string, { path: string; size: number }>();

  constructor(modelPath: string) {
    this.#folder = dirname(modelPath);
    // A model that is itself a link (download caches): its data may lie where the model really is.
    const roots = [realOrSame(this.#folder), dirname(realOrSame(modelPath))];
    this.#roots = [...new Set(roots)];
  }

  /** Real path and size of the file at `location`. @throws {ModelError} E3005 */
  find(location: string, tensor: string): { path: string; size: number } {
    const known = this.#files.get(location);
    if (known) return known;
    if (isUnsafe(location)) throw outside(location, tensor, "its stored location is absolute or leads upwards");
    const wanted = join(this.#folder, location);
    const file = this.#open(wanted, location, tensor);
    if (!this.#roots.some((root) => isInside(root, file.path))) {
      throw outside(location, tensor, "it is a link that leads out of the model's folder");
    }
    this.#files.set(location, file);
    return file;
  }

  #open(wanted: string, location: string, tensor: string): { path: string; size: number } {
    const details = { tensor, file: location };
    try {
      const path = realpathSync(wanted);
      const info = statSync(path);
      // Opening a named pipe would wait forever.
      if (info.isFile()) return { path, size: info.size };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw unreadable(location, details, error);
      throw new ModelError("E3005", `the model keeps weights in ${location}, which is missing`, {
        ...details,
        expected: wanted,
        hint: `download or copy it to ${wanted}, under exactly this name`,
      });
    }
    throw new ModelError("E3005", `the model keeps weights in ${location}, which is no file`, details);
  }

  /** Reads a range; the file is open only meanwhile. */
  readonly read: ExternalReader = (location, offset, length) => {
    const { path } = this.find(location, "");
    try {
      return readRange(path, offset, length);
    } catch (error) {
      if (error instanceof RangeError) {
        const message = `external data: ${length} bytes of ${location} do not fit in memory`;
        throw new RunError("E6001", message, { file: location, hint: "use a machine with more memory" }, error);
      }
      throw unreadable(location, { file: location }, error);
    }
  };
}

function readRange(path: string, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const file = openSync(path, "r");
  try {
    let filled = 0;
    while (filled < length) {
      const count = readSync(file, bytes, filled, Math.min(length - filled, READ_BYTES), offset + filled);
      if (count === 0) break;
      filled += count;
    }
    return filled === length ? bytes : bytes.subarray(0, filled);
  } finally {
    closeSync(file);
  }
}

function unreadable(location: string, details: { tensor?: string; file: string }, error: unknown): unknown {
  const typed = fromSystemError(error, "read", location);
  if (typed instanceof RunError) return typed;
  const reason = error instanceof Error ? error.message : String(error);
  return new ModelError("E3005", `external data ${location} cannot be read: ${reason}`, details, error);
}

function isUnsafe(location: string): boolean {
  // Both kinds of path, wherever this runs: a file made on one system is opened on another.
  return (
    location.includes("\0") ||
    isAbsolute(location) ||
    win32.isAbsolute(location) ||
    /^[a-z]:/i.test(location) ||
    location.split(/[\\/]/).includes("..")
  );
}

function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function outside(location: string, tensor: string, why: string): ModelError {
  return new ModelError("E3005", `external data "${location}" is outside the model's folder: ${why}`, {
    tensor,
    file: location,
    hint: "this can be an attack; if you trust the model, copy the data beside it and save it again with relative names",
  });
}

function realOrSame(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
