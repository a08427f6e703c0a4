import type { OutputStream } from "../files/io.js";
import type { Paint } from "./color.js";
import { formatMs } from "./format.js";
import { describe, type ProgressState, type ProgressView } from "./progress.js";
import { visible } from "./visible.js";

const REDRAW_MS = 80;
const BAR = 20;
const CLEAR_LINE = "\r\u001b[2K";

/** One redrawn line for the running phase, and a check mark with its time for each finished one. */
export function ttyView(stream: OutputStream, style: Paint): ProgressView {
  let phase: string | undefined;
  let drawnMs = Number.NEGATIVE_INFINITY;
  let shown = false;
  let curve = "";

  const clear = () => {
    if (shown) stream.write(CLEAR_LINE);
    shown = false;
  };
  return {
    update(state) {
      if (state.phase !== phase) {
        phase = state.phase;
        drawnMs = Number.NEGATIVE_INFINITY;
        curve = "";
      }
      if (state.values?.accuracy !== undefined) curve += bar(state.values.accuracy);
      if (state.elapsedMs - drawnMs < REDRAW_MS && state.done < state.total) return;
      drawnMs = state.elapsedMs;
      stream.write(CLEAR_LINE + fitted(state, curve, stream.columns ?? 80));
      shown = true;
    },
    finish(name, elapsedMs, note) {
      clear();
      phase = undefined;
      stream.write(
        `${style.green("\u2714")} ${visible(name).padEnd(20)} ${visible(note).padEnd(45)} ${formatMs(elapsedMs).padStart(9)}\n`,
      );
    },
    clear,
  };
}

/** A share as the height of one letter: the curve of pruning grows while it runs. */
function bar(share: number): string {
  return "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"[Math.max(0, Math.min(7, Math.floor(8 * share)))]!;
}

/** The bar goes first when the terminal is narrow; a line that wraps could not be redrawn. */
function fitted(state: ProgressState, curve: string, columns: number): string {
  const share = state.total > 0 ? Math.min(1, state.done / state.total) : 0;
  const filled = Math.round(share * BAR);
  const done = curve || "\u2588".repeat(filled) + "\u2591".repeat(BAR - filled);
  const full = `  ${state.phase.padEnd(20)} ${done} ${describe(state)}`;
  const line = full.length < columns ? full : `  ${state.phase} ${describe(state)}`;
  return visible(line).slice(0, Math.max(0, columns - 1));
}
