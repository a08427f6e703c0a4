import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { onTestFinished } from "vitest";
import type { Io, SignalName } from "../../src/files/io.js";
import type { CommandDefinition } from "../../src/frame/command.js";
import { execute } from "../../src/frame/execute.js";
import { main } from "../../src/main.js";
import { addGlobalOptions } from "../../src/options/option-groups.js";

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  stdin?: Uint8Array | string;
  /** Pretends that stdin, stdout and stderr are a terminal. */
  tty?: boolean;
  /** Called with the streams and signals of the run, to act while it runs. */
  onStart?: (run: FakeIo) => void;
}

export interface RunResult {
  code: number;
  stdout: string;
  stderr: string;
  /** stdout parsed as one JSON document; fails where it is not. */
  json<T = Record<string, unknown>>(): T;
}

/** An {@link Io} that collects what is written and sends signals on demand. */
export class FakeIo implements Io {
  readonly chunks = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  readonly exits: number[] = [];
  readonly stdin: Io["stdin"];
  readonly stdout: Io["stdout"];
  readonly stderr: Io["stderr"];
  readonly env: Record<string, string>;
  readonly cwd: string;
  readonly #listeners = new Map<SignalName, Set<() => void>>();
  readonly #onWrite = new Set<() => void>();

  constructor({ cwd = process.cwd(), env = {}, stdin = "", tty = false }: RunOptions = {}) {
    this.cwd = cwd;
    this.env = env;
    this.stdin = {
      isTTY: tty,
      async *[Symbol.asyncIterator]() {
        yield stdin;
      },
    };
    this.stdout = this.#stream(this.chunks.stdout, tty);
    this.stderr = this.#stream(this.chunks.stderr, tty);
  }

  #stream(into: Uint8Array[], isTTY: boolean): Io["stdout"] {
    return {
      isTTY,
      columns: 100,
      write: (chunk, callback) => {
        into.push(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
        callback?.();
        for (const listener of this.#onWrite) listener();
        return true;
      },
    };
  }

  now(): number {
    return performance.now();
  }

  onSignal(name: SignalName, listener: () => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  send(name: SignalName): void {
    for (const listener of this.#listeners.get(name) ?? []) listener();
  }

  exit(code: number): void {
    this.exits.push(code);
  }

  text(stream: "stdout" | "stderr"): string {
    return Buffer.concat(this.chunks[stream]).toString("utf8");
  }

  /** Resolves once stderr contains `part`. */
  async stderrHas(part: string): Promise<void> {
    while (!this.text("stderr").includes(part)) {
      await new Promise<void>((resolve) => {
        const listener = () => {
          this.#onWrite.delete(listener);
          resolve();
        };
        this.#onWrite.add(listener);
      });
    }
  }
}

/** Runs the command in this process. */
export async function equant(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const io = new FakeIo(options);
  const running = main(argv, io);
  options.onStart?.(io);
  const code = await running;
  const [stdout, stderr] = [io.text("stdout"), io.text("stderr")];
  return { code, stdout, stderr, json: <T>() => JSON.parse(stdout) as T };
}

/** A folder that is removed after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "equant-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs a command that is not in the list, through the same frame. */
export async function runDefinition(
  definition: CommandDefinition,
  argv: readonly string[] = [],
  options: RunOptions = {},
): Promise<RunResult> {
  const io = new FakeIo(options);
  const command = new Command("sample").exitOverride();
  definition.configure(command);
  addGlobalOptions(command);
  let code = -1;
  command.action(async (...args: unknown[]) => {
    const running = execute({ name: "sample", definition, command, args: args.slice(0, -2) }, io);
    options.onStart?.(io);
    code = await running;
  });
  await command.parseAsync([...argv], { from: "user" });
  const [stdout, stderr] = [io.text("stdout"), io.text("stderr")];
  return { code, stdout, stderr, json: <T>() => JSON.parse(stdout) as T };
}
