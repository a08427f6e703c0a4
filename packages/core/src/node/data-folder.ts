import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { DataFile } from "../data/data-file.js";
import { fileError, reasonOf } from "../data/errors.js";

/** Folders deeper than this are not searched: a link that leads back up would never end. */
const MAX_DEPTH = 12;

function unreadable(path: string, error: unknown): Error {
  const hint = "Check that the file exists and that you may read it.";
  return fileError("E5002", path, `cannot be read: ${reasonOf(error)}`, hint, {}, error);
}

/** What lies at a path; a device and a pipe are neither. */
export async function kindOf(path: string): Promise<"file" | "folder" | "special" | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found && (found.isDirectory() ? "folder" : found.isFile() ? "file" : "special");
}

/** A file on disk; opened for each read and closed again, so that any number of them may exist. */
export function diskFile(location: string, path: string): DataFile {
  return {
    path,
    async size() {
      try {
        return (await stat(location)).size;
      } catch (error) {
        throw unreadable(path, error);
      }
    },
    async read(start = 0, end) {
      try {
        const handle = await open(location, "r");
        try {
          const last = Math.min(end ?? Number.POSITIVE_INFINITY, (await handle.stat()).size);
          const bytes = new Uint8Array(Math.max(0, last - start));
          let filled = 0;
          while (filled < bytes.length) {
            const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, start + filled);
            if (bytesRead === 0) break;
            filled += bytesRead;
          }
          return bytes.subarray(0, filled);
        } finally {
          await handle.close();
        }
      } catch (error) {
        throw unreadable(path, error);
      }
    },
  };
}

/** All files below a folder, links followed, paths relative to it; of `depth` 0 only its own. */
export async function listFolder(folder: string, depth = MAX_DEPTH): Promise<DataFile[]> {
  const files: DataFile[] = [];
  async function walk(location: string, prefix: string, left: number): Promise<void> {
    let entries: import("node:fs").Dirent[];
    try {
      entries = await readdir(location, { withFileTypes: true });
    } catch (error) {
      throw unreadable(location, error);
    }
    for (const entry of entries) {
      const at = join(location, entry.name);
      const linked = entry.isSymbolicLink() ? await stat(at).catch(() => undefined) : entry;
      if (linked?.isDirectory() && left > 0) await walk(at, `${prefix}${entry.name}/`, left - 1);
      else if (linked?.isFile()) files.push(diskFile(at, prefix + entry.name));
    }
  }
  await walk(folder, "", depth);
  return files;
}
