import { RunError } from "../errors.js";

/** Runs `work`; undefined where the runtime does not load or run what it makes: a candidate lost, not the end of the run. */
export async function orLost<T>(work: () => Promise<T>, onLost?: (error: RunError) => void): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RunError && (error.code === "E6003" || error.code === "E6004"))) throw error;
    onLost?.(error);
    return undefined;
  }
}
