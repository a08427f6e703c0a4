import { createHash } from "node:crypto";
import { access, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DataError, OptionsError } from "@equant/core/errors";

/** What a store keeps: models and settings by what they are, results by the job they are of. */
export type StoredKind = "models" | "tensors" | "data" | "jobs" | "results";

/** Name of something stored: its kind, and 64 hexadecimal digits. */
export interface StoreKey {
  readonly kind: StoredKind;
  readonly hash: string;
}

/** Where producer and workers leave files for each other. What has a name never changes, so writing it twice does no harm. */
export interface Store {
  has(key: StoreKey): Promise<boolean>;
  /** @throws {DataError} E5001 there is none. */
  get(key: StoreKey): Promise<Uint8Array>;
  put(key: StoreKey, bytes: Uint8Array): Promise<void>;
  delete(key: StoreKey): Promise<void>;
}

/** Names come out of a queue that others may write to. @throws {OptionsError} E2002 what is no hash: a path, for instance. */
export function requireHash(hash: string): void {
  if (/^[0-9a-f]{64}$/.test(hash)) return;
  throw new OptionsError("E2002", `store: "${hash}" is no name of a stored file`, { actual: hash });
}

/** The SHA-256 of bytes, by which they are stored. */
export function hashOf(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Stores bytes by their hash, unless they are there, and returns it. */
export async function putByHash(store: Store, kind: StoredKind, bytes: Uint8Array): Promise<string> {
  const key = { kind, hash: hashOf(bytes) };
  if (!(await store.has(key))) await store.put(key, bytes);
  return key.hash;
}

/** Reads what {@link putByHash} stored. @throws {DataError} E5002 other bytes lie there. */
export async function getByHash(store: Store, key: StoreKey): Promise<Uint8Array> {
  const bytes = await store.get(key);
  if (hashOf(bytes) === key.hash) return bytes;
  const file = `${key.kind}/${key.hash}`;
  throw new DataError("E5002", `${file}: not the bytes that were stored`, {
    file,
    hint: "delete the file and run again",
  });
}

/** A folder that producer and workers share, of one machine or mounted by all. */
export function folderStore(folder: string): Store {
  const pathOf = ({ kind, hash }: StoreKey) => {
    requireHash(hash);
    return join(folder, kind, hash.slice(0, 2), hash);
  };
  return {
    has: (key) =>
      access(pathOf(key)).then(
        () => true,
        () => false,
      ),
    async get(key) {
      try {
        return await readFile(pathOf(key));
      } catch (error) {
        const file = `${key.kind}/${key.hash}`;
        throw new DataError(
          "E5001",
          `${file}: not in the store ${folder}`,
          { file, hint: "give producer and workers the same --store" },
          error,
        );
      }
    },
    async put(key, bytes) {
      const path = pathOf(key);
      await mkdir(dirname(path), { recursive: true });
      // Readers see nothing or all of it; two that write the same replace like by like.
      const temporary = `${path}.${process.pid}-${Math.random().toString(36).slice(2)}.tmp`;
      try {
        await writeFile(temporary, bytes);
        await rename(temporary, path);
      } catch (error) {
        await rm(temporary, { force: true });
        throw error;
      }
    },
    delete: (key) => rm(pathOf(key), { force: true }),
  };
}
