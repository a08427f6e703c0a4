import { CompressionError, type ErrorCode, ModelError, OptionsError, RunError } from "../errors.js";

type Doing = "read" | "write";

interface Mapping {
  readonly code: ErrorCode;
  readonly what: string;
  readonly hint: string;
}

const FREE_SPACE = "free some space, or write to another disk";
const WRITABLE = "check the permissions of the folder, or write somewhere else";

const WRITE: ReadonlyMap<string, Mapping> = new Map(
  Object.entries<Mapping>({
    ENOSPC: { code: "E6002", what: "the disk is full", hint: FREE_SPACE },
    EDQUOT: { code: "E6002", what: "the disk quota is used up", hint: FREE_SPACE },
    EFBIG: { code: "E6002", what: "the file is larger than the disk allows", hint: "write to another disk" },
    EROFS: { code: "E6002", what: "the disk is read-only", hint: "write somewhere else" },
    EACCES: { code: "E6002", what: "permission denied", hint: WRITABLE },
    EPERM: { code: "E6002", what: "operation not permitted", hint: WRITABLE },
    EIO: { code: "E6002", what: "the disk reported an error", hint: "check the disk, or write to another one" },
    EISDIR: { code: "E2006", what: "it is a folder", hint: "add a file name" },
    EEXIST: { code: "E2006", what: "it exists already", hint: "add --overwrite to replace it, or choose another name" },
    ENOTDIR: { code: "E2006", what: "part of the path is a file", hint: "choose another path" },
    ENOENT: { code: "E2006", what: "the path does not exist", hint: "choose another path" },
    ENAMETOOLONG: { code: "E2006", what: "the name is too long", hint: "choose a shorter name" },
    ELOOP: { code: "E2006", what: "symbolic links go in a circle", hint: "choose another path" },
  }),
);

const READ: ReadonlyMap<string, Mapping> = new Map(
  Object.entries<Mapping>({
    ENOENT: { code: "E3001", what: "no such file or folder", hint: "check the path" },
    ENOTDIR: { code: "E3001", what: "part of the path is a file", hint: "check the path" },
    EISDIR: { code: "E3001", what: "it is a folder, a file was expected", hint: "give the file inside it" },
    EACCES: { code: "E3001", what: "permission denied", hint: "check the permissions of the file" },
    EPERM: { code: "E3001", what: "operation not permitted", hint: "check the permissions of the file" },
    EIO: { code: "E3001", what: "the disk reported an error", hint: "copy the file to another disk" },
    ENAMETOOLONG: { code: "E3001", what: "the name is too long", hint: "check the path" },
    ELOOP: { code: "E3001", what: "symbolic links go in a circle", hint: "check the path" },
  }),
);

const EITHER: ReadonlyMap<string, Mapping> = new Map(
  Object.entries<Mapping>({
    EMFILE: { code: "E6006", what: "too many open files", hint: "raise the limit (ulimit -n 4096) and try again" },
    ENFILE: { code: "E6006", what: "too many open files on this machine", hint: "close other programs and try again" },
    ENOMEM: { code: "E6001", what: "not enough memory", hint: "close other programs, or use --batch 1" },
  }),
);

/** Calls that can only come from writing, for errors that reach the top without context. */
const WRITE_CALLS = new Set(["write", "fsync", "rename", "mkdir", "link", "unlink", "ftruncate", "copyfile"]);
const WRITE_CODES = new Set(["ENOSPC", "EDQUOT", "EROFS", "EFBIG", "EEXIST"]);

export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).code === "string" && "syscall" in error;
}

/**
 * A typed error for an error of the operating system: which file, what happened, what to do.
 * Returns the error itself when it is typed already or not known.
 */
export function fromSystemError(error: unknown, doing?: Doing, file?: string): unknown {
  if (error instanceof CompressionError || !isSystemError(error)) return error;
  const { code = "", syscall = "" } = error;
  const isWrite = (doing ?? (WRITE_CALLS.has(syscall) || WRITE_CODES.has(code) ? "write" : "read")) === "write";
  const mapping = EITHER.get(code) ?? (isWrite ? WRITE : READ).get(code);
  if (!mapping) return error;
  const path = file ?? error.path;
  const message = `cannot ${isWrite ? "write" : "read"} ${path ?? "a file"}: ${mapping.what} (${code})`;
  const details = { hint: mapping.hint, ...(path !== undefined && { file: path }) };
  if (mapping.code.startsWith("E2")) return new OptionsError(mapping.code, message, details, error);
  if (mapping.code.startsWith("E3")) return new ModelError(mapping.code, message, details, error);
  return new RunError(mapping.code, message, details, error);
}
