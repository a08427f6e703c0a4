import { gunzipBounded } from "./inflate.js";

/**
 * One file of the data, wherever it lies: on disk, inside an archive, dropped on a page. Paths use forward slashes and
 * start at the data's root.
 */
export interface DataFile {
  readonly path: string;
  /** True where reading a part costs as much as reading all: a compressed archive entry. */
  readonly sequential?: boolean;
  size(): Promise<number>;
  /** Bytes `start` … `end` (exclusive; cut at the end of the file). Default: all of them. */
  read(start?: number, end?: number): Promise<Uint8Array>;
}

/** A file whose bytes are in memory. */
export function memoryFile(path: string, bytes: Uint8Array): DataFile {
  return {
    path,
    size: async () => bytes.length,
    read: async (start = 0, end = bytes.length) => bytes.subarray(start, end),
  };
}

/** A browser's File or Blob. */
export function blobFile(path: string, blob: Blob): DataFile {
  return {
    path,
    size: async () => blob.size,
    read: async (start = 0, end = blob.size) => new Uint8Array(await blob.slice(start, end).arrayBuffer()),
  };
}

/** The file whose content is `load`'s result, asked for once, at the first use. */
function lazyFile(path: string, load: () => Promise<Uint8Array>): DataFile {
  let loading: Promise<Uint8Array> | undefined;
  const bytes = () => {
    loading ??= load();
    return loading;
  };
  return {
    path,
    size: async () => (await bytes()).length,
    read: async (start = 0, end) => (await bytes()).subarray(start, end),
  };
}

/** The same file, its content read at once and kept if it could not be read in parts otherwise. */
export function keptFile(file: DataFile): DataFile {
  return file.sequential ? lazyFile(file.path, () => file.read()) : file;
}

/** What a gzip file contains, under its name without `.gz`. Unpacked in memory at the first read, up to a limit. */
export function gunzippedFile(file: DataFile): DataFile {
  return lazyFile(file.path.replace(/\.gz$/i, ""), async () => gunzipBounded(await file.read(), file.path));
}

/** Last component of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Extension in lower case, without the dot; empty when there is none. */
export function extensionOf(path: string): string {
  const name = baseName(path);
  const dot = name.lastIndexOf(".");
  return dot <= 0 ? "" : name.slice(dot + 1).toLowerCase();
}
