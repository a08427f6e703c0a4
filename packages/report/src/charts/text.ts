/** Number with `digits` significant digits, without a tail of zeros; the same in every locale. */
export function significant(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return "0";
  const short = Number(value.toPrecision(digits));
  const magnitude = Math.abs(short);
  return magnitude >= 1e6 || magnitude < 1e-4 ? short.toExponential().replace("e+", "e") : String(short);
}

/** Share 0–1 as a percentage: `0`, `< 0.01 %`, `12.3 %`. */
export function percent(share: number, digits = 3): string {
  if (share === 0) return "0 %";
  if (share < 1e-4) return "< 0.01 %";
  return `${significant(100 * share, digits)} %`;
}

export function decibels(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  return value >= 300 ? "no noise" : value <= -300 ? "only noise" : `${value.toFixed(1)} dB`;
}

/** `3 layers`, `1 layer`. */
export function count(n: number, noun: string, plural = `${noun}s`): string {
  return `${n} ${n === 1 ? noun : plural}`;
}

export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB"];
  let rest = value;
  let at = 0;
  while (rest >= 1000 && at < units.length - 1) {
    rest /= 1000;
    at++;
  }
  return `${at === 0 ? rest : rest.toFixed(2)} ${units[at]}`;
}

/** {@link bytes} for the ticks of an axis: `20 kB`. */
export function tickBytes(value: number): string {
  return bytes(value).replace(/(\.\d*[1-9])0+ |\.0+ /, "$1 ");
}

const OPERATOR = /\/(?:Conv|ConvTranspose|Gemm|MatMul)$/;

/**
 * Last part of a long layer name, for axes; the full name stays in the title and the table. The operator that exporters put at
 * the end goes first: it is the same everywhere.
 */
export function shortName(name: string, most = 22): string {
  if (name.length <= most) return name;
  const bare = name.replace(OPERATOR, "").replace(/^\//, "");
  return bare.length <= most ? bare : `…${bare.slice(1 - most)}`;
}

/** Whether a ratio can be drawn: a number, and not the 300 dB that stand for no noise at all. */
export function isNoise(db: number | null | undefined): db is number {
  return typeof db === "number" && Number.isFinite(db) && Math.abs(db) < 300;
}

/** Median, the lower one of two; 0 for none. */
export function middle(values: readonly number[]): number {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}

const ESCAPES: ReadonlyMap<string, string> = new Map(
  Object.entries<string>({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" }),
);
/** What XML 1.0 cannot hold however it is written: control characters, halves of surrogate pairs. */
const UNWRITABLE = /[^\t\n\r -\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;

/** Text as it stands in XML and HTML, in an attribute as well. */
export function escaped(text: string): string {
  return text.replace(UNWRITABLE, "\uFFFD").replace(/[&<>"]/g, (c) => ESCAPES.get(c)!);
}
