import type { DataFile } from "./data-file.js";
import { fileError, truncatedError } from "./errors.js";
import { ARCHIVE_LIMITS, type ArchiveLimits, crc32, inflateExactly, requireWithinLimits } from "./inflate.js";

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const END64_LOCATOR = 0x07064b50;

interface Entry {
  readonly path: string;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly offset: number;
}

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const wide = (at: DataView, offset: number) => Number(at.getBigUint64(offset, true));

function damaged(file: string, problem: string): Error {
  return fileError("E5002", file, problem, "Copy or make the archive again.");
}

/** Where the central directory lies, and how many entries it has: from the end record, or its 64-bit variant. */
async function findDirectory(file: DataFile): Promise<{ offset: number; bytes: number; count: number }> {
  const size = await file.size();
  // The end record is last, after it at most a comment of 65,535 bytes.
  const tailStart = Math.max(0, size - 22 - 65_535 - 20);
  const tail = await file.read(tailStart, size);
  const at = view(tail);
  for (let end = tail.length - 22; end >= 0; end--) {
    if (at.getUint32(end, true) !== END || end + 22 + at.getUint16(end + 20, true) > tail.length) continue;
    const small = {
      offset: at.getUint32(end + 16, true),
      bytes: at.getUint32(end + 12, true),
      count: at.getUint16(end + 10, true),
    };
    const needs64 = small.offset === 0xffffffff || small.bytes === 0xffffffff || small.count === 0xffff;
    if (!needs64 || end < 20 || at.getUint32(end - 20, true) !== END64_LOCATOR) return small;
    const start = wide(at, end - 20 + 8);
    const record = await file.read(start, start + 56);
    if (record.length < 56 || view(record).getUint32(0, true) !== END64) break;
    return { offset: wide(view(record), 48), bytes: wide(view(record), 40), count: wide(view(record), 32) };
  }
  throw damaged(file.path, "is a truncated or damaged zip: its end record is missing");
}

/** Sizes and offset of an entry of more than 4 GiB are in extra field 1, in the order of those that did not fit. */
function readWide(extra: Uint8Array, fields: number[]): void {
  const at = view(extra);
  for (let p = 0; p + 4 <= extra.length; p += 4 + at.getUint16(p + 2, true)) {
    if (at.getUint16(p, true) !== 1) continue;
    let next = p + 4;
    for (let i = 0; i < fields.length && next + 8 <= extra.length; i++) {
      if (fields[i] === 0xffffffff) {
        fields[i] = wide(at, next);
        next += 8;
      }
    }
  }
}

/** An entry's name as a path below the archive's root; names that would leave it are refused. */
function safePath(name: string, file: string): string {
  const path = name.replaceAll("\\", "/");
  if (path.startsWith("/") || /^[a-zA-Z]:/.test(path) || path.split("/").includes("..") || path.includes("\0")) {
    throw fileError(
      "E5005",
      file,
      `has an entry "${name}" that would lie outside the folder it is unpacked to`,
      "Make the archive again with relative paths.",
      { actual: name },
    );
  }
  return path;
}

async function readDirectory(file: DataFile, limits: ArchiveLimits): Promise<Entry[]> {
  const { offset, bytes, count } = await findDirectory(file);
  const size = await file.size();
  if (offset + bytes > size) throw truncatedError(file.path, offset + bytes, size);
  const directory = await file.read(offset, offset + bytes);
  const at = view(directory);
  const entries: Entry[] = [];
  let total = 0;
  for (let p = 0, i = 0; i < count; i++) {
    if (p + 46 > directory.length || at.getUint32(p, true) !== CENTRAL) {
      throw damaged(file.path, `is a damaged zip: entry ${i + 1} of ${count} cannot be read`);
    }
    const nameEnd = p + 46 + at.getUint16(p + 28, true);
    const extraEnd = nameEnd + at.getUint16(p + 30, true);
    const name = new TextDecoder().decode(directory.subarray(p + 46, nameEnd));
    const fields = [at.getUint32(p + 24, true), at.getUint32(p + 20, true), at.getUint32(p + 42, true)];
    readWide(directory.subarray(nameEnd, extraEnd), fields);
    const [unpacked, packed, start] = fields as [number, number, number];
    const path = safePath(name, file.path);
    if (at.getUint16(p + 8, true) & 1) {
      throw fileError("E5005", file.path, `has an encrypted entry "${name}"`, "Unpack it and give the folder.");
    }
    total += unpacked;
    requireWithinLimits(file.path, size, total, limits);
    if (!path.endsWith("/")) {
      const method = at.getUint16(p + 10, true);
      if (method === 0 && packed !== unpacked) throw damaged(file.path, `is a damaged zip: "${name}" has two sizes`);
      entries.push({ path, method, crc: at.getUint32(p + 16, true), packed, size: unpacked, offset: start });
    }
    p = extraEnd + at.getUint16(p + 32, true);
  }
  return entries;
}

async function dataStart(file: DataFile, entry: Entry, name: string): Promise<number> {
  const header = await file.read(entry.offset, entry.offset + 30);
  if (header.length < 30 || view(header).getUint32(0, true) !== LOCAL) throw damaged(name, "is damaged in its archive");
  return entry.offset + 30 + view(header).getUint16(26, true) + view(header).getUint16(28, true);
}

async function unpack(file: DataFile, entry: Entry, name: string): Promise<Uint8Array> {
  const start = await dataStart(file, entry, name);
  const packed = await file.read(start, start + entry.packed);
  if (packed.length < entry.packed) throw truncatedError(name, entry.packed, packed.length);
  const bytes = entry.method === 0 ? packed : inflateExactly(packed, entry.size, name);
  if (crc32(bytes) !== entry.crc) throw damaged(name, "is damaged in its archive: its checksum does not fit");
  return bytes;
}

/**
 * The files in a zip archive. Nothing is unpacked before it is read, and what is read is not kept, so that an archive
 * takes no more memory than a folder. Zip64 is understood; encryption and methods other than store and deflate are not.
 *
 * @throws {DataError} E5005 paths outside the archive, an encrypted entry, more bytes than {@link ARCHIVE_LIMITS} allow; E5002 damage.
 */
export async function openZip(file: DataFile, limits: ArchiveLimits = ARCHIVE_LIMITS): Promise<DataFile[]> {
  const entries = await readDirectory(file, limits);
  return entries.map((entry) => {
    const name = `${file.path}/${entry.path}`;
    if (entry.method !== 0 && entry.method !== 8) {
      const hint = "Make the archive again with the usual compression.";
      throw fileError("E5005", name, `is packed by method ${entry.method}, known are 0 and 8`, hint);
    }
    if (entry.size > limits.entryBytes && entry.method === 8) {
      requireWithinLimits(name, entry.packed, entry.size, { ...limits, totalBytes: limits.entryBytes });
    }
    return {
      path: entry.path,
      ...(entry.method !== 0 && { sequential: true }),
      size: async () => entry.size,
      async read(start = 0, end = entry.size) {
        // Stored entries can be read in part: how a large array in an uncompressed .npz stays out of memory.
        if (entry.method === 0 && (start > 0 || end < entry.size)) {
          const from = await dataStart(file, entry, name);
          return file.read(from + start, from + Math.min(end, entry.size));
        }
        return (await unpack(file, entry, name)).subarray(start, end);
      },
    };
  });
}
