import { access, chmod, constants, link, mkdir, open, rename, stat, unlink } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { OptionsError } from "../errors.js";
import { fromSystemError } from "./system-errors.js";
import { forgetTemp, removeStaleTemps, tempPathFor } from "./temp-files.js";

/** What a file is made of. Parts are asked for one after the other, so that a file may be larger than memory. */
export type FileData = string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

export interface OutputFile {
  readonly path: string;
  readonly data: FileData;
}

export interface WriteOptions {
  /** Replace an existing file. Default: false. */
  readonly overwrite?: boolean;
  /** Files the run reads: never written over, whatever name they are reached by. */
  readonly inputs?: readonly string[];
  /** Relative paths resolve against it. Default: the working folder. */
  readonly cwd?: string;
}

export interface WrittenFile {
  readonly path: string;
  readonly bytes: number;
}

/**
 * Checks before any work that `path` can become an output. Creates nothing.
 * @throws {OptionsError} E2006 it exists, is a folder, is an input. @throws {RunError} E6002 its folder cannot be written to.
 */
export async function checkTarget(path: string, options: WriteOptions = {}): Promise<void> {
  const target = resolve(options.cwd ?? ".", path);
  const there = await stat(target).catch(missingIsFine);
  if (there === undefined) return requireWritable(dirname(target), path);
  if (there.isDirectory()) {
    throw new OptionsError("E2006", `cannot write ${path}: it is a folder`, { file: path, hint: "add a file name" });
  }
  for (const input of options.inputs ?? []) {
    // The same file under another spelling, symbolic link or hard link has the same device and inode.
    const source = await stat(resolve(options.cwd ?? ".", input), { bigint: true }).catch(() => undefined);
    const self = await stat(target, { bigint: true });
    if (source && source.ino === self.ino && source.dev === self.dev) {
      throw new OptionsError("E2006", `output ${path} is the input ${input}`, {
        file: path,
        hint: "inputs are never changed: choose another name with -o",
      });
    }
  }
  if (!there.isFile()) return;
  if (!options.overwrite) throw exists(path);
  await requireWritable(dirname(target), path);
}

/** Where the folder does not exist yet, the nearest one above it is asked. */
async function requireWritable(folder: string, path: string): Promise<void> {
  const there = await stat(folder).catch(missingIsFine);
  if (!there && dirname(folder) !== folder) return requireWritable(dirname(folder), path);
  await attempt(path, () => access(folder, constants.W_OK));
}

/**
 * Writes files so that each appears complete or not at all: temporary file in the same folder, fsync, rename. With
 * several files (model and external data) all are complete before the first is renamed; they appear in the given
 * order, so the one that refers to the others comes last.
 */
export async function atomicWriteAll(files: readonly OutputFile[], options: WriteOptions = {}): Promise<WrittenFile[]> {
  for (const file of files) await checkTarget(file.path, options);
  const pending: { path: string; target: string; temp: string | undefined }[] = [];
  const written: WrittenFile[] = [];
  try {
    for (const { path, data } of files) {
      const target = resolve(options.cwd ?? ".", path);
      await attempt(path, () => makeFolder(dirname(target)));
      await removeStaleTemps(dirname(target));
      const old = await stat(target).catch(missingIsFine);
      // Devices and pipes (/dev/null, a named pipe) are written to, not replaced.
      const temp = old && !old.isFile() ? undefined : tempPathFor(target);
      pending.push({ path, target, temp });
      written.push({ path, bytes: await attempt(path, () => writeSynced(temp, target, data)) });
      if (temp !== undefined && old) await chmod(temp, old.mode).catch(() => undefined);
    }
    for (const item of pending) {
      if (item.temp === undefined) continue;
      await attempt(item.path, () => publish(item.temp!, item.target, options.overwrite ?? false));
      forgetTemp(item.temp);
      item.temp = undefined;
    }
  } catch (error) {
    for (const { temp } of pending) {
      if (temp === undefined) continue;
      await unlink(temp).catch(() => undefined);
      forgetTemp(temp);
    }
    throw error;
  }
  return written;
}

/**
 * Writes one file so that it appears complete or not at all; see {@link atomicWriteAll}.
 * @throws {OptionsError} E2006 the path cannot be an output. @throws {RunError} E6002 disk full, read-only, not permitted.
 */
export async function atomicWrite(path: string, data: FileData, options: WriteOptions = {}): Promise<WrittenFile> {
  const [written] = await atomicWriteAll([{ path, data }], options);
  return written!;
}

/** Makes a folder and its parents. Not `recursive: true`: in Node 20 that never returns on file systems such as /proc. */
async function makeFolder(folder: string): Promise<void> {
  if (await stat(folder).catch(missingIsFine)) return;
  if (dirname(folder) !== folder) await makeFolder(dirname(folder));
  await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}

async function writeSynced(temp: string | undefined, target: string, data: FileData): Promise<number> {
  // "wx": a temporary file must be new. A planted link of that name is refused instead of followed.
  const file = await (temp === undefined ? open(target, "w") : open(temp, "wx"));
  let bytes = 0;
  try {
    for await (const chunk of chunksOf(data)) {
      let done = 0;
      while (done < chunk.length) done += (await file.write(chunk, done, chunk.length - done)).bytesWritten;
      bytes += chunk.length;
    }
    if (temp !== undefined) await file.sync();
  } finally {
    await file.close();
  }
  return bytes;
}

/** Single writes stay well below the 2 GB a system call takes. */
const CHUNK_BYTES = 64 * 1024 * 1024;

async function* chunksOf(data: FileData): AsyncGenerator<Uint8Array> {
  const parts =
    typeof data === "string" ? [new TextEncoder().encode(data)] : data instanceof Uint8Array ? [data] : data;
  for await (const part of parts) {
    for (let at = 0; at < part.length; at += CHUNK_BYTES) yield part.subarray(at, at + CHUNK_BYTES);
  }
}

/** Gives the finished file its name. Without `overwrite` a file that appeared meanwhile is not replaced. */
async function publish(temp: string, target: string, overwrite: boolean): Promise<void> {
  if (overwrite) {
    await rename(temp, target);
  } else {
    try {
      await link(temp, target);
      await unlink(temp);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") throw exists(target);
      // A file system without hard links: rename, although something may have appeared since the check.
      await rename(temp, target);
    }
  }
  await syncFolder(dirname(target));
}

/** Makes the rename itself durable; not every system can sync a folder. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  if (!handle) return;
  await handle.sync().catch(() => undefined);
  await handle.close();
}

async function attempt<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fromSystemError(error, "write", path);
  }
}

function exists(path: string): OptionsError {
  return new OptionsError("E2006", `cannot write ${path}: it exists already`, {
    file: path,
    hint: "add --overwrite to replace it, or choose another name",
  });
}

function missingIsFine(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT") return undefined;
  throw fromSystemError(error, "write");
}
