import { type ArraySource, openRanges, rowMajorSource, type Values } from "./array-source.js";
import type { DataFile } from "./data-file.js";
import { fileError } from "./errors.js";

const PIXELS = 3 * 32 * 32;

/** CIFAR's binary formats: records of label bytes and 32×32 pixels, red plane first. */
export interface CifarKind {
  readonly name: "CIFAR-10" | "CIFAR-100";
  readonly labelBytes: number;
}

const KINDS: readonly CifarKind[] = [
  { name: "CIFAR-10", labelBytes: 1 },
  // A coarse label of 20, then the fine one of 100, which is the class.
  { name: "CIFAR-100", labelBytes: 2 },
];

const LARGEST: Record<CifarKind["name"], readonly number[]> = { "CIFAR-10": [9], "CIFAR-100": [19, 99] };

/** The format has no magic number: a whole number of records whose label bytes are all in range is taken for it. */
export async function sniffCifar(file: DataFile): Promise<CifarKind | undefined> {
  const size = await file.size();
  for (const kind of KINDS) {
    const record = PIXELS + kind.labelBytes;
    if (size === 0 || size % record !== 0) continue;
    const first = await file.read(0, Math.min(size, 256 * record));
    let plausible = true;
    for (let at = 0; at < first.length && plausible; at += record) {
      plausible = LARGEST[kind.name].every((largest, i) => first[at + i]! <= largest);
    }
    if (plausible) return kind;
  }
  return undefined;
}

/** Images [n, 3, 32, 32] and their class labels. Labels are read through once; pixels when asked for. */
export async function openCifar(file: DataFile, kind: CifarKind): Promise<{ source: ArraySource; labels: number[] }> {
  const record = PIXELS + kind.labelBytes;
  const count = (await file.size()) / record;
  const ranges = await openRanges(file);
  const labels: number[] = [];
  const step = 1024;
  for (let first = 0; first < count; first += step) {
    const bytes = await ranges(first * record, Math.min(first + step, count) * record);
    for (let at = 0; at < bytes.length; at += record) labels.push(bytes[at + kind.labelBytes - 1]!);
  }
  const classes = LARGEST[kind.name].at(-1)!;
  const wrong = labels.findIndex((label) => label > classes);
  if (wrong >= 0) {
    throw fileError(
      "E5004",
      `${file.path}[${wrong}]`,
      `has label ${labels[wrong]}, ${kind.name} has 0-${classes}`,
      "The file is damaged or not a CIFAR binary; check where it comes from.",
      { actual: labels[wrong], expected: `0-${classes}` },
    );
  }
  const raw = rowMajorSource(file, ranges, { dtype: "uint8", little: true, shape: [count, record], offset: 0 });
  const pixels = (values: Values) => (values as Uint8Array).subarray(kind.labelBytes);
  const source: ArraySource = {
    file: file.path,
    dtype: "uint8",
    shape: [count, 3, 32, 32],
    sample(index) {
      const values = raw.sample(index);
      return values instanceof Promise ? values.then(pixels) : pixels(values);
    },
  };
  return { source, labels };
}
