import type { ProgressEvent, TransformContext } from "@equant/core";
import type { Progress } from "../protocol.js";
import { runner } from "./ort.js";

/** What a call may use to report and to stop. */
export interface CallContext {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

/** Core's context for a call, with the runtime. */
export async function transformContext(call: CallContext): Promise<Required<Omit<TransformContext, "data">>> {
  return {
    runner: await runner(),
    signal: call.signal,
    onProgress: (event: ProgressEvent) => call.onProgress(event),
  };
}

/** Runs phases and reports when each begins and ends, with its time. */
export function phases(call: CallContext) {
  return async <T>(name: string, work: () => Promise<T>, note?: (value: T) => string): Promise<T> => {
    call.onProgress({ phase: name, done: 0, total: 0 });
    const started = performance.now();
    const value = await work();
    call.onProgress({ phase: name, done: 1, total: 1, note: note?.(value) ?? "", ms: performance.now() - started });
    return value;
  };
}
