/** Numbers for people, the same in every locale. Sizes are decimal (1 MB = 10^6 bytes). */

function scaled(value: number, units: readonly string[], separator: string): string {
  let magnitude = Math.abs(value);
  let unit = 0;
  // 999.995 would round up to 1000.00: go to the next unit before that happens.
  while (magnitude >= 999.995 && unit < units.length - 1) {
    magnitude /= 1000;
    unit++;
  }
  const number = unit === 0 ? String(magnitude) : magnitude.toFixed(2);
  const sign = value < 0 ? MINUS : "";
  return units[unit] === "" ? `${sign}${number}` : `${sign}${number}${separator}${units[unit]}`;
}

const MINUS = "\u2212";

/** `13.98 MB` */
export function formatBytes(bytes: number): string {
  return scaled(bytes, ["B", "kB", "MB", "GB", "TB"], " ");
}

/** `2.19 M`, `512` */
export function formatCount(count: number): string {
  return scaled(count, ["", "k", "M", "G", "T"], " ");
}

/** `38 ms`, `12.1 s`, `3 min 20 s` */
export function formatMs(ms: number): string {
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${ms.toFixed(0)} ms`;
  if (ms < 119_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const [minutes, rest] = [Math.floor(seconds / 60), seconds % 60];
  if (minutes < 60) return `${minutes} min ${rest} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A share from 0 to 1 as `85.92 %`. */
export function formatPercent(share: number, digits = 2): string {
  return `${signed(share * 100, digits, false)} %`;
}

/** A difference of shares as `−9.48 pp`. */
export function formatPp(difference: number, digits = 2): string {
  return `${signed(difference * 100, digits, true)} pp`;
}

/** A relative change as `−74.2 %`. */
export function formatChange(from: number, to: number, digits = 1): string {
  return `${signed((to / from - 1) * 100, digits, true)} %`;
}

/** `10.42 MB → 2.76 MB, −73.5 %`. */
export function formatResize(from: number, to: number): string {
  return `${formatBytes(from)} → ${formatBytes(to)}, ${formatChange(from, to)}`;
}

/** `18.4 dB` */
export function formatDb(db: number, digits = 1): string {
  return db === Number.POSITIVE_INFINITY ? "exact" : `${signed(db, digits, false)} dB`;
}

function signed(value: number, digits: number, plus: boolean): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return value < 0 ? `${MINUS}${text}` : plus ? `+${text}` : text;
}
