import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, unlinkSync } from "node:fs";
import { constants } from "node:os";
import type { ErrorDetails } from "@equant/core/errors";
import type { SignalName } from "../files/io.js";
import { isLight } from "./preflight.js";
import { isOrphaned, isSupervised, type Order, SUPERVISOR, type Tidings } from "./supervised.js";

/**
 * ONNX Runtime blocks the thread that calls it, and so does parsing: a process that works cannot keep the promise to stop.
 * So the command's process starts a second one that works, and only waits: it passes signals on, ends what does not stop in
 * time or takes more memory than it may, and says in equant's words what became of a process that died.
 */

/** From the first signal to the end of a process that does not end by itself. */
const GRACE_MS = 600;
/** How often memory is looked at. */
const WATCH_MS = 50;
const SIGNALS: readonly SignalName[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** The command's process. */
export async function start(): Promise<void> {
  const argv = process.argv.slice(2);
  if (isSupervised()) {
    const [{ runProcess }, { supervisedIo }] = await Promise.all([import("../main.js"), import("./supervised.js")]);
    return runProcess(await supervisedIo());
  }
  // A supervisor may be killed before what it started has come this far.
  if (isOrphaned()) process.exit(1);
  if (isLight(argv)) return (await import("../main.js")).runProcess();
  process.exitCode = await supervise(argv);
}

/** Why the supervisor ended the process that worked. */
type Verdict = { readonly signal: SignalName } | { readonly used: number; readonly allowed: number };

function supervise(argv: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...argv], {
      stdio: ["inherit", "inherit", "inherit", "ipc"],
      env: { ...process.env, [SUPERVISOR]: String(process.pid) },
    });
    let temps: readonly string[] = [];
    let allowed = Number.POSITIVE_INFINITY;
    let graceMs = GRACE_MS;
    let verdict: Verdict | undefined;
    let asked: SignalName | undefined;
    const end = (why: Verdict) => {
      verdict ??= why;
      child.kill("SIGKILL");
    };
    child.on("message", (tidings: Tidings) => {
      temps = tidings.temps ?? temps;
      allowed = tidings.maxMemory ?? allowed;
      graceMs = tidings.graceMs ?? graceMs;
    });
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        if (asked !== undefined) return end({ signal });
        asked = signal;
        // What says how it ended is loaded while it ends.
        void EXPLAINERS();
        if (child.connected) child.send({ signal } satisfies Order, () => undefined);
        setTimeout(() => end({ signal }), graceMs).unref();
      });
    }
    const watch = setInterval(() => {
      const used = residentBytes(child);
      if (used > allowed) end({ used, allowed });
    }, WATCH_MS);
    child.on("error", (error) => {
      clearInterval(watch);
      resolve(explain(error, argv));
    });
    // Not "close": what inherited the streams of the process that worked may outlive it.
    child.on("exit", (code, signal) => {
      clearInterval(watch);
      if (code !== null && code < 128) return resolve(code);
      for (const path of temps) remove(path);
      const name = code === null ? signal! : signalOf(code - 128);
      // A process that stopped when it was asked to says so by its code.
      if (!verdict && asked !== undefined && name === asked) return resolve(code!);
      resolve(explain(verdict ?? name, argv));
    });
  });
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It became the output, or was never made.
  }
}

function signalOf(number: number): string {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? `signal ${number}`;
}

/** Memory of a process in use; 0 where the system does not tell. */
function residentBytes({ pid }: ChildProcess): number {
  try {
    return 4096 * Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
  } catch {
    return 0;
  }
}

const EXPLAINERS = () =>
  Promise.all([import("@equant/core/errors"), import("./usage-error.js"), import("../files/io.js")]);

/** Says what became of the process, as the command says errors; returns the exit code. */
async function explain(what: Verdict | string | Error, argv: readonly string[]): Promise<number> {
  const [{ RunError }, { failEarly }, { processIo }] = await EXPLAINERS();
  const fail = (code: "E6001" | "E6004" | "E6005", message: string, details: ErrorDetails = {}) =>
    failEarly(new RunError(code, message, details), argv, processIo());
  const hint = "use a smaller --batch or fewer --samples, close other programs, or take a machine with more memory";
  if (what instanceof Error) return failEarly(what, argv, processIo());
  if (typeof what === "object" && "signal" in what) {
    await fail("E6005", `stopped by ${what.signal}`);
    return 128 + constants.signals[what.signal];
  }
  if (typeof what === "object") {
    const { used, allowed } = what;
    const message = `not enough memory: ${(used / 1e9).toFixed(2)} GB in use, ${(allowed / 1e9).toFixed(2)} GB allowed`;
    return fail("E6001", message, {
      actual: used,
      expected: allowed,
      hint: `${hint}; --max-memory says how much is allowed`,
    });
  }
  // Out of memory, V8 aborts or traps, and Linux kills.
  if (["SIGABRT", "SIGTRAP", "SIGILL", "SIGKILL"].includes(what)) {
    return fail("E6001", `the process was ended by ${what}, most likely for want of memory`, { hint });
  }
  return fail("E6004", `ONNX Runtime or another native library failed (${what})`, {
    hint: "check the model with onnx.checker; with -v the last step is shown before it fails",
  });
}
