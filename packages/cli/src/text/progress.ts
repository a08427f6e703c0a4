import type { ProgressMode } from "../options/option-groups.js";
import { formatMs } from "./format.js";
import { visible } from "./visible.js";

/** What steps report; the same shape as in @equant/core. */
export interface ProgressEvent {
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  /** A point of a curve that grows; shares 0–1. */
  readonly values?: Readonly<Record<string, number>>;
}

/** A progress event with what the frame adds. */
export interface ProgressState extends ProgressEvent {
  /** Units a second since the phase began; 0 while unknown. */
  readonly rate: number;
  /** Milliseconds to go; undefined until five units are done. */
  readonly etaMs: number | undefined;
  readonly elapsedMs: number;
}

/** One way of showing progress. */
export interface ProgressView {
  update(state: ProgressState): void;
  /** A phase ended; `note` says what came out. */
  finish(phase: string, elapsedMs: number, note: string): void;
  /** Takes what is on the screen away, so that other text can be written. */
  clear(): void;
}

/** Turns events into states with rate and ETA, and closes a phase when another one starts. */
export class Progress {
  readonly #view: ProgressView;
  readonly #now: () => number;
  #phase: string | undefined;
  #startedAt = 0;
  #doneAtStart = 0;

  constructor(view: ProgressView, now: () => number) {
    this.#view = view;
    this.#now = now;
  }

  update({ phase, done, total, values }: ProgressEvent): void {
    if (phase !== this.#phase) {
      this.#phase = phase;
      this.#startedAt = this.#now();
      this.#doneAtStart = 0;
      // A phase may resume: units done before the first event do not count for the rate.
      if (done > 1) this.#doneAtStart = done;
    }
    const elapsedMs = this.#now() - this.#startedAt;
    const worked = done - this.#doneAtStart;
    const rate = elapsedMs > 0 && worked > 0 ? (worked / elapsedMs) * 1000 : 0;
    const etaMs = worked >= 5 && rate > 0 ? ((total - done) / rate) * 1000 : undefined;
    this.#view.update({ phase, done, total, rate, etaMs, elapsedMs, ...(values && { values }) });
  }

  finish(phase: string, elapsedMs: number, note: string): void {
    this.#phase = undefined;
    this.#view.finish(phase, elapsedMs, note);
  }

  clear(): void {
    this.#view.clear();
  }
}

export const NO_PROGRESS: ProgressView = { update() {}, finish() {}, clear() {} };

/** Lines for a pipe or log: one per 10 % or 10 s, whichever comes first, and one per phase. */
export function plainView(write: (line: string) => void): ProgressView {
  let phase: string | undefined;
  let tenths = 0;
  let lastMs = 0;
  return {
    update(state) {
      if (state.phase !== phase) {
        phase = state.phase;
        tenths = 0;
        lastMs = 0;
      }
      const now = state.total > 0 ? Math.floor((state.done / state.total) * 10) : 0;
      if (now <= tenths && state.elapsedMs - lastMs < 10_000 && !state.values) return;
      tenths = now;
      lastMs = state.elapsedMs;
      write(`${visible(state.phase)} ${describe(state)}`);
    },
    finish(name, elapsedMs, note) {
      phase = undefined;
      write(visible(`${name} done in ${formatMs(elapsedMs)}${note ? `: ${note}` : ""}`));
    },
    clear() {},
  };
}

/** NDJSON for programs: at most one line per 50 ms of a phase, and always its first and last. */
export function jsonView(write: (line: string) => void): ProgressView {
  let phase: string | undefined;
  let lastMs = 0;
  return {
    update({ phase: name, done, total, rate, elapsedMs, values }) {
      // Points of a curve are all told: a program draws them.
      if (name === phase && done < total && elapsedMs - lastMs < 50 && !values) return;
      phase = name;
      lastMs = elapsedMs;
      write(JSON.stringify({ t: "progress", phase: name, done, total, rate: Number(rate.toFixed(2)), ...values }));
    },
    finish(name, elapsedMs, note) {
      phase = undefined;
      write(JSON.stringify({ t: "phase", phase: name, ms: Number(elapsedMs.toFixed(1)), note }));
    },
    clear() {},
  };
}

/** `48/200  31.2/s  4.9 s left`, and what is known by now: `sparsity 63.5 %  accuracy 98.7 %`. */
export function describe({ done, total, rate, etaMs, values = {} }: ProgressState): string {
  const parts = [total > 0 ? `${done}/${total}` : String(done)];
  if (rate > 0) parts.push(`${rate >= 100 ? rate.toFixed(0) : rate.toFixed(1)}/s`);
  if (etaMs !== undefined && done < total) parts.push(`${formatMs(etaMs)} left`);
  for (const [name, value] of Object.entries(values)) parts.push(`${name} ${(100 * value).toFixed(1)} %`);
  return parts.join("  ");
}

/** Which view `auto` means: a redrawn line on a terminal, lines otherwise. */
export function resolveMode(
  mode: ProgressMode,
  env: Readonly<Record<string, string | undefined>>,
  isTTY: boolean,
): "tty" | Exclude<ProgressMode, "auto"> {
  if (mode !== "auto") return mode;
  return isTTY && env.TERM !== "dumb" && !env.CI ? "tty" : "plain";
}
