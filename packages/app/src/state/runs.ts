import { setRecipe } from "./recipe-edit.js";
import { currentRunId, pinned, runs } from "./store.js";

/** Shows a run; the recipe becomes the one it was made with, which can be undone. */
export function showRun(id: string): void {
  const run = runs.value.find((candidate) => candidate.id === id);
  if (!run) return;
  currentRunId.value = id;
  setRecipe(run.recipe);
}

export function pinRun(slot: "a" | "b", id: string | null): void {
  pinned.value = { ...pinned.value, [slot]: pinned.value[slot] === id ? null : id };
}

export function swapPins(): void {
  const { a, b } = pinned.value;
  pinned.value = { a: b, b: a };
}

/** The two runs that are compared: those pinned, else the last two. */
export function comparedRuns() {
  const all = runs.value;
  const find = (id: string | null) => all.find((run) => run.id === id);
  const b = find(pinned.value.b) ?? all.at(-1);
  const a = find(pinned.value.a) ?? all.findLast((run) => run !== b);
  return { a, b };
}
