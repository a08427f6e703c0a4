/** What a command may touch of the outside: streams, environment, folder, signals. Tests hand in their own. */

export type SignalName = "SIGINT" | "SIGTERM" | "SIGHUP";

export interface OutputStream {
  write(chunk: string | Uint8Array, callback?: (error?: Error | null) => void): boolean;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface InputStream extends AsyncIterable<Uint8Array | string> {
  readonly isTTY?: boolean;
}

export interface Io {
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder against which relative paths resolve. */
  readonly cwd: string;
  /** Milliseconds from any fixed point, for rates and timings only. */
  now(): number;
  /** Registers a signal listener; returns its removal. */
  onSignal(name: SignalName, listener: () => void): () => void;
  /** Ends the process at once; only for a second Ctrl+C. */
  exit(code: number): void;
}

/** What needs no file (`--help`) also runs in a folder that was removed; the rest is refused before (frame/preflight.ts). */
function workingFolder(): string {
  try {
    return process.cwd();
  } catch {
    return "/";
  }
}

/** The process as an {@link Io}. */
export function processIo(): Io {
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: workingFolder(),
    now: () => performance.now(),
    onSignal(name, listener) {
      process.on(name, listener);
      return () => process.off(name, listener);
    },
    exit: (code) => process.exit(code),
  };
}

/**
 * Writes and waits until the stream took everything, so that a pipe drains before the process ends.
 * A reader that left (`| head`) is not an error: the rest is dropped.
 * @throws {RunError} E6002 when the stream is a file on a full disk.
 */
export function writeAll(stream: OutputStream, chunk: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(chunk, (error) => {
      if (!error || (error as NodeJS.ErrnoException).code === "EPIPE") resolve();
      else
        import("./system-errors.js").then((module) => reject(module.fromSystemError(error, "write", "output")), reject);
    });
  });
}
