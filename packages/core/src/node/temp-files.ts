import { unlinkSync } from "node:fs";
import { readdir, stat, unlink } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";

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
