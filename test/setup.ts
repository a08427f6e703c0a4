import { afterEach, beforeEach, expect, vi } from "vitest";

/** Anything printed by library code under test is a failure: results are returned, never logged. */
beforeEach(() => {
  for (const method of ["log", "info", "warn", "error"] as const) vi.spyOn(console, method);
});
afterEach(() => {
  for (const method of ["log", "info", "warn", "error"] as const) {
    const spy = vi.mocked(console[method]);
    const calls = spy.mock.calls;
    spy.mockRestore();
    expect(calls, `console.${method} was called`).toEqual([]);
  }
});
