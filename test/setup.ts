import { afterEach, beforeEach, expect, type MockInstance, vi } from "vitest";

// Tests that open sessions without a runner of ours send nothing either.
process.env.ORT_DISABLE_TELEMETRY = "1";

const METHODS = ["log", "info", "warn", "error"] as const;
let spies: MockInstance[] = [];

/** Anything printed by library code under test is a failure: results are returned, never logged. */
beforeEach(() => {
  spies = METHODS.map((method) => vi.spyOn(globalThis.console, method));
});

afterEach(() => {
  for (const [at, spy] of spies.entries()) {
    const calls = [...spy.mock.calls];
    spy.mockRestore();
    expect(calls, `console.${METHODS[at]} was called`).toEqual([]);
  }
});
