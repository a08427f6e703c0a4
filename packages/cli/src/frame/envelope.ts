import type { Setting } from "../options/settings.js";
import type { ErrorReport } from "../text/render-error.js";
import { visibleJson } from "../text/visible.js";
import { toolVersion } from "../version.js";
import type { Warning } from "./warnings.js";

/** Identity of the input model. */
export interface ModelIdentity {
  readonly sha256: string;
  readonly bytes: number;
}

/** The one document that `--json` prints. Removing a field is a major change. */
export interface Envelope {
  /** `equant.<command>/<version>` */
  readonly schema: string;
  /** True when the exit code is 0. */
  readonly ok: boolean;
  readonly tool: { readonly version: string };
  /** Null when the command got no model, or failed before reading it. */
  readonly model: ModelIdentity | null;
  /** Who executed networks: `cpu`, `cuda` …; null when none ran. */
  readonly provider: string | null;
  readonly settings: Record<string, Setting>;
  /** Null when the command failed; present when only a gate failed. */
  readonly result: unknown;
  readonly error?: ErrorReport;
  readonly warnings: readonly (Warning & { count: number })[];
  /** Milliseconds by phase, and `total`. */
  readonly timings: Record<string, number>;
}

export function envelope(parts: Partial<Omit<Envelope, "tool" | "schema">> & { command: string }): Envelope {
  const { command, error } = parts;
  return {
    schema: `equant.${command}/1`,
    ok: parts.ok ?? error === undefined,
    tool: { version: toolVersion() },
    model: parts.model ?? null,
    provider: parts.provider ?? null,
    settings: parts.settings ?? {},
    result: parts.result ?? null,
    ...(error && { error }),
    warnings: parts.warnings ?? [],
    timings: parts.timings ?? {},
  };
}

/** JSON with what JSON cannot say made explicit: Infinity and NaN become strings, typed arrays become arrays. */
export function toJson(value: unknown): string {
  const replace = (_key: string, item: unknown): unknown => {
    if (typeof item === "number" && !Number.isFinite(item)) return String(item);
    if (typeof item === "bigint") return Number.isSafeInteger(Number(item)) ? Number(item) : String(item);
    if (item instanceof Map) return Object.fromEntries(item);
    if (ArrayBuffer.isView(item) && !(item instanceof DataView))
      return Array.from(item as unknown as Iterable<unknown>);
    return item;
  };
  return `${visibleJson(JSON.stringify(value, replace, 2))}\n`;
}
