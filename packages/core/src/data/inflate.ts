import { Gunzip, inflateSync } from "fflate";
import { CompressionError } from "../errors.js";
import { fileError, reasonOf } from "./errors.js";

/** Bounds on archives: a file of a few kilobytes can promise, or unpack to, terabytes. */
export interface ArchiveLimits {
  /** Most bytes all entries may unpack to. */
  readonly totalBytes: number;
  /** Most bytes of one entry: it is unpacked in memory. */
  readonly entryBytes: number;
  /** Most bytes unpacked per byte of archive, looked at above {@link ratioFromBytes}. Pictures reach 1, text 20. */
  readonly ratio: number;
  readonly ratioFromBytes: number;
}

export const ARCHIVE_LIMITS: ArchiveLimits = {
  totalBytes: 64 * 2 ** 30,
  entryBytes: 2 ** 31 - 1,
  ratio: 100,
  ratioFromBytes: 64 * 2 ** 20,
};

/** Throws E5005 when unpacking `packed` bytes to `unpacked` breaks a limit. */
export function requireWithinLimits(file: string, packed: number, unpacked: number, limits: ArchiveLimits): void {
  const bomb = unpacked > limits.ratioFromBytes && unpacked > packed * limits.ratio;
  if (!bomb && unpacked <= limits.totalBytes) return;
  const gigabytes = (unpacked / 2 ** 30).toFixed(2);
  throw fileError(
    "E5005",
    file,
    bomb
      ? `unpacks to ${gigabytes} GiB, more than ${limits.ratio} times its size`
      : `unpacks to ${gigabytes} GiB, the limit is ${(limits.totalBytes / 2 ** 30).toFixed(2)}`,
    "If you trust it, unpack it yourself and give the folder.",
    { expected: Math.min(limits.totalBytes, packed * limits.ratio), actual: unpacked },
  );
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** CRC-32 of ISO 3309, as zip and gzip store it. */
export function crc32(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) value = CRC_TABLE[(value ^ bytes[i]!) & 0xff]! ^ (value >>> 8);
  return ~value >>> 0;
}

/** Inflates a deflate stream that must give exactly `size` bytes; one more is room to notice a lie. */
export function inflateExactly(packed: Uint8Array, size: number, file: string): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = inflateSync(packed, { out: new Uint8Array(size + 1) });
  } catch (error) {
    throw fileError("E5002", file, `cannot be unpacked: ${reasonOf(error)}`, "Make the archive again.", {}, error);
  }
  if (bytes.length !== size) {
    const problem = `unpacks to ${bytes.length > size ? "more than" : `${bytes.length} of`} the ${size} bytes it declares`;
    throw fileError("E5005", file, problem, "The archive is damaged or made to mislead; make it again.", {
      expected: size,
      actual: bytes.length,
    });
  }
  return bytes;
}

/** Unpacks gzip piece by piece, so that a bomb is noticed when it passes a limit and not after it filled the memory. */
export function gunzipBounded(packed: Uint8Array, file: string, limits: ArchiveLimits = ARCHIVE_LIMITS): Uint8Array {
  const pieces: Uint8Array[] = [];
  let total = 0;
  let finished = false;
  let furtherMembers = 0;
  const unzip = new Gunzip((piece, final) => {
    total += piece.length;
    requireWithinLimits(file, packed.length, total, { ...limits, totalBytes: limits.entryBytes });
    pieces.push(piece);
    finished ||= final;
  });
  unzip.onmember = () => furtherMembers++;
  const step = 64 * 1024;
  try {
    for (let at = 0; at < packed.length; at += step) {
      unzip.push(packed.subarray(at, at + step), at + step >= packed.length);
    }
  } catch (error) {
    if (error instanceof CompressionError) throw error;
    throw fileError("E5002", file, `cannot be unpacked: ${reasonOf(error)}`, "Copy the file again.", {}, error);
  }
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  // The trailer speaks of the last member only; files of several members are rare and go unchecked.
  const trailer = new DataView(packed.buffer, packed.byteOffset + Math.max(packed.length - 8, 0));
  const sound = () => trailer.getUint32(4, true) === total % 2 ** 32 && trailer.getUint32(0, true) === crc32(bytes);
  if (!finished || (furtherMembers === 0 && !sound())) {
    throw fileError("E5002", file, "is truncated or damaged: its checksum does not fit", "Copy the file again.");
  }
  return bytes;
}
