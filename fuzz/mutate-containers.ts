import { unzipSync, zipSync } from "fflate";
import { crc32 } from "../packages/core/src/data/inflate.js";
import type { Random } from "../packages/core/src/math/random.js";

/** Damages the bytes of a part. */
type Damage = (bytes: Uint8Array) => Uint8Array;

const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!;

const startsWith = (bytes: Uint8Array, text: string) => [...text].every((char, i) => bytes[i] === char.charCodeAt(0));

/** Whether {@link editContainer} knows how the file is built. */
export function isContainer(bytes: Uint8Array): boolean {
  return ["PK", "\u0089PNG", "RIFF"].some((start) => startsWith(bytes, start));
}

/**
 * The file with a part damaged and its lengths and checksums right, so that the damage is seen by who reads the part and not by who
 * looks for damage: zip, PNG, WAV. Other files as they are.
 */
export function editContainer(bytes: Uint8Array, random: Random, damage: Damage): Uint8Array {
  if (startsWith(bytes, "PK")) return editZip(bytes, random, damage);
  if (startsWith(bytes, "\u0089PNG")) return editPng(bytes, random, damage);
  if (startsWith(bytes, "RIFF")) return editWave(bytes, random);
  return bytes;
}

/** Names that lead elsewhere, or are looked up. */
const NAMES = [
  "../x.npy",
  "/etc/x.npy",
  "C:\\x.npy",
  "constructor",
  "constructor.npy",
  "labels.csv",
  "a/b/c/d.png",
  "",
];

function editZip(bytes: Uint8Array, random: Random, damage: Damage): Uint8Array {
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(bytes, { filter: ({ originalSize }) => originalSize < 2 ** 20 });
  } catch {
    // Damaged already.
    return bytes;
  }
  const names = Object.keys(entries);
  if (names.length === 0) return bytes;
  const name = pick(random, names);
  const how = random.uniform();
  const content = entries[name]!;
  if (how < 0.15) delete entries[name];
  if (how < 0.3) Object.defineProperty(entries, pick(random, NAMES), { value: content, enumerable: true });
  else if (how < 0.4) entries[name] = entries[pick(random, names)]!;
  else entries[name] = editContainer(damage(content), random, (inner) => inner);
  return zipSync(entries, { level: pick(random, [0, 6]) });
}

/** Fields of the header: sizes, depth, colour, how it is packed. */
const SIZES = [0, 1, 27, 28, 29, 255, 65_535, 16_384, 2 ** 31 - 1, 2 ** 32 - 1];

function editPng(bytes: Uint8Array, random: Random, damage: Damage): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: { kind: Uint8Array; content: Uint8Array }[] = [];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    if (at + 12 + length > bytes.length) break;
    chunks.push({ kind: bytes.slice(at + 4, at + 8), content: bytes.slice(at + 8, at + 8 + length) });
    at += 12 + length;
  }
  if (chunks.length === 0) return bytes;
  const chunk = pick(random, chunks);
  const how = random.uniform();
  if (chunk === chunks[0] && chunk.content.length >= 13) {
    const header = new DataView(chunk.content.buffer);
    if (how < 0.6) header.setUint32(4 * random.below(2), pick(random, SIZES));
    else header.setUint8(8 + random.below(5), random.below(20));
  } else if (how < 0.15) chunks.splice(chunks.indexOf(chunk), 1);
  else if (how < 0.3) chunks.splice(random.below(chunks.length), 0, chunk);
  else chunk.content = damage(chunk.content);
  return joined([bytes.subarray(0, 8), ...chunks.flatMap(({ kind, content }) => framed(joined([kind, content])))]);
}

/** A chunk with its length before it and its checksum behind it. */
function framed(chunk: Uint8Array): Uint8Array[] {
  const [length, sum] = [new Uint8Array(4), new Uint8Array(4)];
  new DataView(length.buffer).setUint32(0, chunk.length - 4);
  new DataView(sum.buffer).setUint32(0, crc32(chunk));
  return [length, chunk, sum];
}

/** Bytes from the start of a WAV file where its numbers are: coding, channels, rate, …, bits, bytes of samples. */
const WAVE_FIELDS = [4, 16, 20, 22, 24, 28, 32, 34, 40];

function editWave(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  for (let count = 1 + random.below(2); count > 0; count--) {
    const at = pick(random, WAVE_FIELDS);
    if (at + 4 > copy.length) continue;
    if (random.uniform() < 0.5) view.setUint16(at, pick(random, [0, 1, 2, 3, 8, 24, 32, 64, 0xfffe, 0xffff]), true);
    else view.setUint32(at, pick(random, SIZES), true);
  }
  return copy;
}

/** The parts one after the other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}
