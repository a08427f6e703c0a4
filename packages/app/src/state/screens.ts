/** The steps of the work, in the order of the rail. */
export const SCREENS = [
  { id: "start", title: "Start", key: "0" },
  { id: "model", title: "Model", key: "1" },
  { id: "data", title: "Data", key: "2" },
  { id: "calibrate", title: "Calibrate", key: "3" },
  { id: "equalize", title: "Equalize", key: "4" },
  { id: "prune", title: "Prune", key: "5" },
  { id: "quantize", title: "Quantize", key: "6" },
  { id: "validate", title: "Validate", key: "7" },
  { id: "compare", title: "Compare", key: "8" },
  { id: "export", title: "Export", key: "9" },
] as const;
export type ScreenId = (typeof SCREENS)[number]["id"];

/** State of a step: `stale` was done for another recipe, model or data. */
export type StepState = "idle" | "stale" | "running" | "done" | "failed";

export const STEP_STATE_TEXT: Readonly<Record<StepState, string>> = {
  idle: "not started",
  stale: "stale",
  running: "running",
  done: "done",
  failed: "failed",
};

export function isScreen(id: string): id is ScreenId {
  return SCREENS.some((screen) => screen.id === id);
}
