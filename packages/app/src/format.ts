/** Numbers for people, one place. `Intl` with a fixed locale: the page is in English. */
const whole = new Intl.NumberFormat("en");
const one = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const two = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export function formatCount(value: number): string {
  if (value >= 1e9) return `${two.format(value / 1e9)} G`;
  if (value >= 1e6) return `${two.format(value / 1e6)} M`;
  return value >= 1e5 ? `${one.format(value / 1e3)} k` : whole.format(value);
}

export function formatBytes(bytes: number): string {
  if (bytes >= 1e9) return `${two.format(bytes / 1e9)} GB`;
  if (bytes >= 1e6) return `${two.format(bytes / 1e6)} MB`;
  return bytes >= 1e3 ? `${one.format(bytes / 1e3)} kB` : `${whole.format(bytes)} B`;
}

/** A share 0–1. */
export function formatPercent(share: number | null): string {
  if (share === null) return "–";
  return `${two.format(100 * share)} %`;
}

/** Ratios of 300 dB stand for no noise at all. */
export function formatDb(db: number | null | undefined): string {
  if (db === null || db === undefined) return "float";
  return db >= 300 || db === Number.POSITIVE_INFINITY ? "exact" : `${signed(db)} dB`;
}

/** One digit behind the point, with a minus sign; what rounds to zero has none. */
function signed(value: number): string {
  const text = one.format(Math.abs(value));
  return value < 0 && text !== "0.0" ? `−${text}` : text;
}

export function formatNumber(value: number): string {
  if (value === 0) return "0";
  const magnitude = Math.abs(value);
  return magnitude >= 1e5 || magnitude < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

export function formatMs(ms: number): string {
  if (ms < 1000) return `${Math.max(1, Math.round(ms))} ms`;
  return ms < 60_000
    ? `${one.format(ms / 1000)} s`
    : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** `−74.2 %` */
export function formatChange(before: number, after: number): string {
  const change = 100 * (after / before - 1);
  return `${change < 0 ? "−" : "+"}${one.format(Math.abs(change))} %`;
}

export function formatP(p: number): string {
  return p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(3)}`;
}

export function formatShape(shape: readonly number[]): string {
  return shape.map((size) => (size > 0 ? size : "?")).join(" × ");
}
