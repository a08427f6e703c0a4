import { afterEach, beforeEach, expect, type MockInstance, vi } from "vitest";

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
