import { expect, test } from "vitest";
import { silenceTelemetry } from "../../src/runtime/telemetry.js";

const STARTED_S = 10;

/** A process in which `log` says when ONNX Runtime's telemetry began to write, ms ago. */
function fake(parts: { value?: string; isMainThread?: boolean; logMs?: number }) {
  const env: Record<string, string | undefined> = { ORT_DISABLE_TELEMETRY: parts.value };
  const modules: Record<string, unknown> = {
    "node:worker_threads": { isMainThread: parts.isMainThread ?? true },
    "node:os": { tmpdir: () => "/t" },
    "node:fs": {
      statSync: (path: string) =>
        path === "/t/mat-debug-7.log" && parts.logMs !== undefined ? { mtimeMs: Date.now() - parts.logMs } : undefined,
    },
  };
  const getBuiltinModule = (name: string) => modules[name];
  return { env, pid: 7, uptime: () => STARTED_S, getBuiltinModule } as never as Parameters<
    typeof silenceTelemetry
  >[0] & {
    env: typeof env;
  };
}

test("the variable is set, whatever an older process of the same number has left", () => {
  for (const logMs of [undefined, 1000 * STARTED_S + 5000]) {
    const process = fake(logMs === undefined ? {} : { logMs });
    silenceTelemetry(process);
    expect(process.env.ORT_DISABLE_TELEMETRY).toBe("1");
  }
});

test("what the caller said stays", () => {
  for (const value of ["0", "1"]) {
    const process = fake({ value, isMainThread: false, logMs: 5 });
    silenceTelemetry(process);
    expect(process.env.ORT_DISABLE_TELEMETRY).toBe(value);
  }
});

test("E6007 in a worker, and where telemetry runs already", () => {
  for (const parts of [{ isMainThread: false }, { logMs: 5 }]) {
    const process = fake(parts);
    expect(() => silenceTelemetry(process)).toThrow(expect.objectContaining({ code: "E6007" }));
    expect(process.env.ORT_DISABLE_TELEMETRY).toBeUndefined();
  }
});
