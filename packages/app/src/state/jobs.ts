import { CallError, type Job } from "../engine/client.js";
import { engine } from "../engine/engine.js";
import { problemOf } from "../problem.js";
import type { CallName, Params, Progress, Result } from "../protocol.js";
import { announcer } from "./announcer.js";
import type { ScreenId } from "./screens.js";
import { activity, announcement, failedScreen, log, problem } from "./store.js";

let lines = 0;

export function addLog(text: string, ms: number | null = null): void {
  log.value = [...log.value.slice(-199), { id: lines++, text, ms }];
}

/** To the live region. */
export const announce = announcer((text) => {
  announcement.value = text;
});

export interface CallOptions {
  readonly screen: ScreenId;
  readonly canPause?: boolean;
  readonly onPart?: (progress: Progress) => void;
  /** The call begins when this resolves; it shows as running before. */
  readonly after?: Promise<void>;
  /** A failure is no more than a line in the log. */
  readonly optional?: boolean;
}

/** A call with its progress in the bar at the top and its failure as a card. Undefined: it failed or was cancelled. */
export async function callEngine<N extends CallName>(
  name: N,
  params: Params<N>,
  { screen, canPause = false, optional = false, onPart, after }: CallOptions,
): Promise<Result<N> | undefined> {
  const onProgress = (progress: Progress) => {
    if (progress.part !== undefined) return onPart?.(progress);
    const { phase, done, total, note, ms } = progress;
    if (note !== undefined) {
      addLog(`${phase}${note ? `: ${note}` : ""}`, ms ?? null);
      announce(`${phase} done. ${note}`, "later");
    } else announce(`${phase} ${total > 0 ? `${done} of ${total}` : ""}`);
    const now = activity.value;
    if (!now) return;
    const phaseSince = now.phase === phase ? now.phaseSince : performance.now();
    activity.value = { ...now, phase, done, total, phaseSince };
  };
  const job: Job<Result<N>> = engine.call(name, params, onProgress, after);
  const since = performance.now();
  const base = {
    call: name,
    screen,
    phase: PHASES[name],
    done: 0,
    total: 0,
    since,
    phaseSince: since,
    canPause,
    paused: false,
  };
  activity.value = { ...base, cancel: job.cancel };
  failedScreen.value = null;
  try {
    const result = await job.promise;
    addLog(PHASES[name], performance.now() - since);
    return result;
  } catch (error) {
    const what = error instanceof CallError ? error.problem : problemOf(error);
    addLog(what.code === "E6005" ? `${PHASES[name]}: cancelled` : `${what.code} ${what.why}`);
    if (what.code === "E6005") announce("Cancelled.", "now");
    else if (!optional) {
      problem.value = what;
      failedScreen.value = screen;
    }
    return undefined;
  } finally {
    activity.value = null;
  }
}

const PHASES: Readonly<Record<CallName, string>> = {
  warm: "start the runtime",
  openModel: "open the model",
  weights: "sort the weights",
  inspect: "inspect the model",
  openData: "open the data",
  check: "check the preprocessing",
  guess: "find the preprocessing",
  calibrate: "calibrate",
  useCalibration: "read the calibration",
  observe: "count the values",
  previewEqualize: "equalize",
  execute: "run the recipe",
  report: "measure layers",
  prune: "prune",
  page: "write the report",
  validate: "validate",
  fixIt: "fix it",
  advise: "find causes",
  compareSample: "compare the image",
  findConfused: "find the images",
  verify: "verify the file",
};

export function setPaused(paused: boolean): void {
  const now = activity.value;
  if (!now) return;
  engine.pause(paused);
  activity.value = { ...now, paused };
  announce(paused ? "Paused." : "Resumed.", "now");
}

export function cancelJob(): void {
  activity.value?.cancel();
}
