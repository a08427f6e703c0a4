import { RunError } from "../errors.js";

/** Read by ONNX Runtime when a process opens its first session; its JavaScript interface has no other switch. */
const VARIABLE = "ORT_DISABLE_TELEMETRY";

/** What is needed of Node's process; browsers have none, and onnxruntime-web no telemetry. */
interface NodeProcess {
  readonly env: Record<string, string | undefined>;
  readonly pid: number;
  uptime(): number;
  getBuiltinModule?(name: "node:worker_threads"): { readonly isMainThread: boolean } | undefined;
  getBuiltinModule?(
    name: "node:fs",
  ): { statSync(path: string, options: { throwIfNoEntry: false }): { mtimeMs: number } | undefined } | undefined;
  getBuiltinModule?(name: "node:os"): { tmpdir(): string } | undefined;
}

/**
 * Switches off the telemetry that onnxruntime-node's Linux and macOS builds have on: events with the name and the metadata
 * of the graph and an identifier of the device, queued in a database under the user's cache folder and sent some seconds
 * later, and a log file in the temporary folder. A caller who set the variable to 0 keeps that choice.
 * @throws {RunError} E6007 where it is too late, or where the variable would not reach ONNX Runtime.
 */
export function silenceTelemetry(
  process: NodeProcess | undefined = (globalThis as { process?: NodeProcess }).process,
): void {
  if (process === undefined || ["0", "1"].includes(process.env[VARIABLE] ?? "")) return;
  // The environment of a worker is a copy that native code never sees.
  if (process.getBuiltinModule?.("node:worker_threads")?.isMainThread === false) {
    throw refusal("this thread cannot switch off ONNX Runtime's telemetry", "before the worker is made");
  }
  // Telemetry that runs has begun a log file, named like one that an older process of the same number may have left.
  const log = `${process.getBuiltinModule?.("node:os")?.tmpdir()}/mat-debug-${process.pid}.log`;
  const begun = process.getBuiltinModule?.("node:fs")?.statSync(log, { throwIfNoEntry: false });
  if (begun && begun.mtimeMs > Date.now() - 1000 * process.uptime()) {
    throw refusal("ONNX Runtime's telemetry runs in this process already", "before the first session");
  }
  process.env[VARIABLE] = "1";
}

function refusal(what: string, when: string): RunError {
  return new RunError("E6007", `createRunner: ${what}`, {
    hint: `set process.env.${VARIABLE} = "1" ${when}, or to "0" to let it send`,
  });
}
