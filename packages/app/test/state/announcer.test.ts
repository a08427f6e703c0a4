import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { announcer } from "../../src/state/announcer.js";
import { thinProgress } from "../../src/worker/thin-progress.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("one message every 5 s; of the ends of phases that came between, the newest", () => {
  const said: [number, string][] = [];
  const start = Date.now();
  const announce = announcer(
    (text) => said.push([Date.now() - start, text]),
    () => Date.now(),
  );
  for (let at = 0; at < 12_000; at += 100) {
    announce(`step ${at}`);
    if (at === 1000 || at === 2000) announce(`end ${at}`, "later");
    vi.advanceTimersByTime(100);
  }
  announce("Cancelled.", "now");
  vi.advanceTimersByTime(20_000);
  expect(said).toEqual([
    [0, "step 0"],
    [5000, "end 2000"],
    [10_000, "step 10000"],
    [12_000, "Cancelled."],
  ]);
});

test("steps of a phase are reported ten times a second; its beginning, its end and parts always", () => {
  let time = 0;
  const seen: string[] = [];
  const report = thinProgress(
    ({ phase, done, part }) => seen.push(`${phase} ${part === undefined ? done : "part"}`),
    () => time,
  );
  for (let done = 1; done <= 100; done++) {
    time += 7;
    report({ phase: "a", done, total: 100 });
    if (done === 50) report({ phase: "a", done, total: 100, part: [] });
  }
  report({ phase: "b", done: 0, total: 3 });
  report({ phase: "b", done: 1, total: 3 });
  report({ phase: "b", done: 1, total: 3, note: "done" });
  expect(seen).toEqual([
    ...["a 1", "a 16", "a 31", "a 46", "a part", "a 61", "a 76", "a 91", "a 100"],
    ...["b 0", "b 1"],
  ]);
});
