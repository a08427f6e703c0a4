import { OptionsError } from "@equant/core/errors";

/** Parsers of option and config values. `name` is what the person typed: `--max-drop` or `gates.maxDrop`. */

function invalid(name: string, value: unknown, expected: string, hint?: string): OptionsError {
  return new OptionsError("E2002", `${name}: '${String(value)}' is not ${expected}`, { actual: value, expected, hint });
}

export interface Bounds {
  min?: number;
  max?: number;
}

function within(name: string, value: unknown, number: number, what: string, { min, max }: Bounds): number {
  if ((min !== undefined && number < min) || (max !== undefined && number > max)) {
    const range =
      min !== undefined && max !== undefined ? `from ${min} to ${max}` : min !== undefined ? `>= ${min}` : `<= ${max}`;
    throw invalid(name, value, `${what} ${range}`);
  }
  return number;
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

export function parseNumber(name: string, value: string, bounds: Bounds = {}): number {
  if (!NUMBER.test(value.trim())) throw invalid(name, value, "a number");
  return within(name, value, Number(value), "a number", bounds);
}

export function parseInteger(name: string, value: string, bounds: Bounds = {}): number {
  if (!/^[+-]?\d+$/.test(value.trim())) throw invalid(name, value, "an integer");
  return within(name, value, Number(value), "an integer", bounds);
}

/** Comma-separated numbers: `127.5` or `123.68,116.78,103.94`. */
export function parseNumbers(name: string, value: string): number[] {
  return value.split(",").map((part) => parseNumber(name, part));
}

/** `224` or `224x320` (height x width). */
export function parseSize(name: string, value: string): number | [number, number] {
  const match = /^(\d+)(?:x(\d+))?$/i.exec(value.trim());
  if (!match || Number(match[1]) === 0 || Number(match[2] ?? 1) === 0) {
    throw invalid(name, value, "a size in pixels", "write 224, or 224x320 for height x width");
  }
  return match[2] === undefined ? Number(match[1]) : [Number(match[1]), Number(match[2])];
}

/**
 * Percentage points as a fraction: `1pp` is 0.01. The unit must be written, because a bare 1 could mean
 * one point or everything.
 */
export function parsePp(name: string, value: unknown): number {
  const match = typeof value === "string" ? /^(\d+\.?\d*|\.\d+)\s*pp$/i.exec(value.trim()) : null;
  if (!match) {
    const bare = Number(value);
    const hint = Number.isFinite(bare) && value !== "" ? `did you mean '${bare}pp'?` : "write percentage points as 1pp";
    throw invalid(name, value, "a number of percentage points", hint);
  }
  return within(name, value, Number(match[1]) / 100, "a number of percentage points", { max: 1 });
}

/** A share from 0 to 1: `83%`, `83 %` or `0.83`. */
export function parseShare(name: string, value: unknown): number {
  const text = String(value).trim();
  const match = /^(\d+\.?\d*|\.\d+)\s*(%?)$/.exec(text);
  const share = match ? Number(match[1]) / (match[2] ? 100 : 1) : Number.NaN;
  if (!(share >= 0 && share <= 1)) {
    const hint = match && !match[2] ? `did you mean '${text}%'?` : "write 83% or 0.83";
    throw invalid(name, value, "a share from 0 to 1", hint);
  }
  return share;
}

const BYTE_UNITS: ReadonlyMap<string, number> = new Map(
  Object.entries<number>({
    b: 1,
    kb: 1e3,
    mb: 1e6,
    gb: 1e9,
    tb: 1e12,
    kib: 1024,
    mib: 1024 ** 2,
    gib: 1024 ** 3,
    tib: 1024 ** 4,
  }),
);

/** A size in bytes: `4MB` (decimal, as sizes are printed), `4MiB` (binary), or a bare number of bytes. */
export function parseBytes(name: string, value: unknown): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  const match = typeof value === "string" ? /^(\d+\.?\d*|\.\d+)\s*([a-z]*)$/i.exec(value.trim()) : null;
  const unit = match ? BYTE_UNITS.get(match[2]!.toLowerCase() || "b") : undefined;
  if (!match || unit === undefined)
    throw invalid(name, value, "a size", "write 4MB, 512kB, 3.5MiB or a number of bytes");
  return Math.round(Number(match[1]) * unit);
}

/** A member of a closed set; anything else is refused when it is typed. The report adds the nearest member. */
export function parseChoice<T extends string>(name: string, value: string, allowed: readonly T[]): T {
  if (!(allowed as readonly string[]).includes(value)) {
    throw new OptionsError("E2004", `${name}: '${value}' is not one of ${allowed.join(", ")}`, {
      actual: value,
      expected: [...allowed],
    });
  }
  return value as T;
}
