import { type Io, processIo, type SignalName } from "../files/io.js";

/** What the supervisor tells the process that works. */
export interface Order {
  readonly signal: SignalName;
}

/** What the process that works tells its supervisor. */
export interface Tidings {
  /** How long the process may take to end once it was told to, in ms: longer where it writes what it has until then. */
  readonly graceMs?: number;
  /** Temporary files there are now. */
  readonly temps?: readonly string[];
  /** Bytes of memory that it may use. */
  readonly maxMemory?: number;
}

/** Names the supervisor in the environment of the process that works. */
export const SUPERVISOR = "EQUANT_SUPERVISOR";

export function isSupervised(): boolean {
  return process.send !== undefined && process.env[SUPERVISOR] === String(process.ppid);
}

/** Was started to work by a supervisor that is gone by now: nobody waits for the result. */
export function isOrphaned(): boolean {
  return process.send !== undefined && process.env[SUPERVISOR] !== undefined && !isSupervised();
}

/** Says something to the supervisor; nothing where there is none. */
export function tell(tidings: Tidings): void {
  if (isSupervised() && process.connected) process.send!(tidings, undefined, undefined, () => undefined);
}

/**
 * The process as {@link Io}, with signals as the supervisor tells them: a terminal sends each to both, and two of a kind
 * mean «at once». When the supervisor is gone, so is whoever waits for the result.
 */
export async function supervisedIo(): Promise<Io> {
  const { removeTemps, watchTemps } = await import("../files/temp-files.js");
  const listeners = new Map<SignalName, Set<() => void>>();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => undefined);
  process.on("message", ({ signal }: Order) => {
    for (const listener of listeners.get(signal) ?? []) listener();
  });
  process.on("disconnect", () => {
    removeTemps();
    process.exit(1);
  });
  process.channel?.unref();
  watchTemps((temps) => tell({ temps }));
  return {
    ...processIo(),
    onSignal(name, listener) {
      listeners.set(name, (listeners.get(name) ?? new Set()).add(listener));
      return () => listeners.get(name)?.delete(listener);
    },
  };
}
