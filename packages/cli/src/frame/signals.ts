import { RunError } from "@equant/core/errors";
import type { Io, SignalName } from "../files/io.js";
import { removeTemps } from "../files/temp-files.js";

/** 128 + signal number, as shells report it. */
const EXIT_CODES: Readonly<Record<SignalName, number>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

export interface Signals {
  /** Aborted by the first signal: finish the batch, save what is partial, stop. */
  readonly signal: AbortSignal;
  /** Exit code of the signal received, or undefined. */
  readonly exitCode: number | undefined;
  dispose(): void;
}

/** Listens to Ctrl+C and its kin: the first aborts gracefully, the second ends the process at once. */
export function listenToSignals(io: Io, onFirst: (name: SignalName) => void = () => {}): Signals {
  const controller = new AbortController();
  let exitCode: number | undefined;
  const removals = (Object.keys(EXIT_CODES) as SignalName[]).map((name) =>
    io.onSignal(name, () => {
      if (exitCode !== undefined) {
        removeTemps();
        io.exit(EXIT_CODES[name]);
        return;
      }
      exitCode = EXIT_CODES[name];
      onFirst(name);
      controller.abort(new RunError("E6005", `stopped by ${name}`));
    }),
  );
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    dispose: () => {
      for (const remove of removals) remove();
    },
  };
}
