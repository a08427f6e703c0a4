import { unlinkSync } from "node:fs";
import { readdir, readFile, stat, unlink, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { OptionsError } from "../errors.js";
import { fromSystemError } from "./system-errors.js";

/**
 * Temporary files beside their target: `.<target>.equant-<host>-<pid>-<n>.tmp`, hidden and recognisable. A file whose
 * process is gone is garbage of a killed run and is removed by the next run that writes to the same folder.
 */

/** Folders are shared between machines and containers, and a pid means nothing on another one. */
const HOST = shortHash(hostname());
const PATTERN = /^\..+\.equant-([0-9a-f]{8})-(\d+)-\d+\.tmp$/;
/** A foreign host's file this old is no longer being written. */
const ABANDONED_MS = 24 * 3600 * 1000;

const active = new Set<string>();
let serial = 0;
let onChange: (paths: readonly string[]) => void = () => {};

/** Tells of every change of the temporary files there are, before the file is made: whoever ends this process removes them. */
export function watchTemps(listener: (paths: readonly string[]) => void): void {
  onChange = listener;
}

/** A new temporary path for `target`, remembered until {@link forgetTemp}. */
export function tempPathFor(target: string): string {
  const path = join(
    dirname(target),
    `.${basename(target).slice(0, 200)}.equant-${HOST}-${process.pid}-${serial++}.tmp`,
  );
  active.add(path);
  onChange([...active]);
  return path;
}

/** The temporary file became the target, or is gone. */
export function forgetTemp(path: string): void {
  active.delete(path);
  onChange([...active]);
}

/** Removes all temporary files of this process; synchronous, so that it can run while the process ends. */
export function removeTemps(): void {
  for (const path of active) {
    try {
      unlinkSync(path);
    } catch {
      // Gone already, or the disk is: nothing left to clean.
    }
  }
  active.clear();
}

/** Removes temporary files that killed runs left in a folder; returns their names. */
export async function removeStaleTemps(folder: string): Promise<string[]> {
  const removed: string[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    const match = PATTERN.exec(name);
    if (!match) continue;
    const path = join(folder, name);
    const stale = match[1] === HOST ? !isAlive(Number(match[2])) : await isAbandoned(path);
    if (!stale) continue;
    await unlink(path).then(
      () => removed.push(name),
      () => undefined,
    );
  }
  return removed;
}

/**
 * Keeps a second run from writing to `folder`, which need not exist yet, until {@link removeTemps}: a file beside it names
 * the owner. The lock of a run that was killed is taken over.
 * @throws {OptionsError} E2006 another run has the folder.
 */
export async function lockFolder(folder: string): Promise<void> {
  const path = join(dirname(folder), `.${basename(folder)}.equant.lock`);
  for (let tries = 0; ; tries++) {
    try {
      await writeFile(path, JSON.stringify({ host: HOST, pid: process.pid }), { flag: "wx" });
      active.add(path);
      onChange([...active]);
      return;
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      // Where nothing can be written beside the folder there is no lock; whether it can be written to is asked elsewhere.
      if (["ENOENT", "ENOTDIR", "EACCES", "EPERM", "EROFS"].includes(code)) return;
      if (code !== "EEXIST") throw fromSystemError(error, "write", path);
    }
    const owner = await ownerOf(path);
    if (owner !== undefined || tries > 2) {
      throw new OptionsError("E2006", `another run of equant writes to ${folder}${owner ?? ""}`, {
        file: folder,
        hint: `wait for it, or choose another folder; if there is none, remove ${path}`,
      });
    }
    await unlink(path).catch(() => undefined);
  }
}

/** Who has a lock, and for how long; undefined where its process is gone. */
async function ownerOf(path: string): Promise<string | undefined> {
  const [text, info] = await Promise.all([readFile(path, "utf8"), stat(path)]).catch(() => ["", undefined] as const);
  if (!info) return undefined;
  const ageMs = Date.now() - info.mtimeMs;
  const [, host, pid] = /"host":"([0-9a-f]{8})","pid":(\d+)/.exec(text) ?? [];
  if (host === HOST ? !isAlive(Number(pid)) : ageMs > ABANDONED_MS) return undefined;
  const where = host === HOST ? `process ${pid}` : "on another machine";
  return ` (${where}, for ${Math.max(1, Math.round(ageMs / 60_000))} min)`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function isAbandoned(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => undefined);
  return info !== undefined && Date.now() - info.mtimeMs > ABANDONED_MS;
}

/** FNV-1a, 32 bits. */
function shortHash(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
