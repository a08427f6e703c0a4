import type { Progress } from "../protocol.js";

/** The status line changes ten times a second at most: more is not read, and every change is drawn. */
const EVERY_MS = 100;

/** Leaves out steps of a phase that come too fast; beginnings, ends, notes and parts all pass. */
export function thinProgress(report: (progress: Progress) => void, now = () => performance.now()) {
  let last = Number.NEGATIVE_INFINITY;
  let phase: string | undefined;
  return (progress: Progress): void => {
    const { part, note, done, total } = progress;
    if (part === undefined && note === undefined && progress.phase === phase && done < total) {
      if (now() - last < EVERY_MS) return;
    }
    if (part === undefined) {
      last = now();
      phase = progress.phase;
    }
    report(progress);
  };
}
