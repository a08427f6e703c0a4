import {
  CompressionError,
  DataError,
  type ErrorCode,
  ModelError,
  OptionsError,
  PreconditionError,
  RunError,
  throwIfAborted,
} from "@equant/core/errors";
import {
  cloneModel,
  disposeAfter,
  type Model,
  type Runner,
  type RunOptions,
  type Session,
  type SessionOptions,
  type Sweep,
  type SweptBatch,
  serializeModel,
} from "@equant/core/lab";
import { resultKey, type SessionPart, sessionPart, shardJobs } from "./shard-job.js";
import type { ShardOutcome } from "./shard-worker.js";
import { putByHash, type Store } from "./store.js";
import { decodeRecords, type TensorRecord } from "./tensor-file.js";

/** Whoever has jobs done: processes of this machine, or a queue. */
export interface Engine {
  /** Resolves when the job of this name is done, by whom ever. Rejects when nobody can do it. */
  run(job: string, signal?: AbortSignal): Promise<ShardOutcome>;
  /** Jobs that may wait or run at a time, so that all workers have one. */
  readonly window: number;
  close(): Promise<void>;
}

/** What a {@link Fleet} is made of. */
export interface FleetParts {
  readonly store: Store;
  readonly engine: Engine;
  /** How the data of a source is opened by a worker; undefined for data that it cannot open. */
  readonly planOf: (source: string) => unknown;
  /** Called when all is over: what else was made for it goes. */
  readonly onClose?: () => Promise<void>;
}

/** A fleet of workers as a command uses it. */
export class Fleet {
  /** Shards whose results were there from a run before, and those that were done. */
  reused = 0;
  done = 0;
  readonly #used = new Set<string>();

  constructor(readonly parts: FleetParts) {}

  /** Results of a job, as soon as they are in the store. */
  async results(job: string, signal?: AbortSignal): Promise<TensorRecord<Omit<SweptBatch, "results">>[]> {
    const { store, engine } = this.parts;
    const key = resultKey(job);
    if (await store.has(key)) this.reused++;
    else {
      const outcome = await engine.run(job, signal);
      if (!outcome.ok) throw errorOf(outcome.error);
      this.done++;
    }
    this.#used.add(job);
    return decodeRecords(await store.get(key), `${key.kind}/${key.hash}`);
  }

  /**
   * Lets go of the workers. `isDone`: nobody will go on from here, so results go too; a run that was stopped finds them again.
   */
  async close(isDone: boolean): Promise<void> {
    const { store, engine } = this.parts;
    await engine.close();
    if (isDone) {
      for (const job of this.#used) {
        await store.delete(resultKey(job));
        await store.delete({ kind: "jobs", hash: job });
      }
    }
    await this.parts.onClose?.();
  }
}

/**
 * A runner whose sessions have sweeps over data sets done by a fleet. Everything else, and data that only this process has, runs here.
 *
 * Results come back batch by batch in the order of the samples and are reduced here, in the code and in the order of one process: the
 * bytes of what follows do not depend on how many workers there were, which of them did what, or how often a shard was done.
 */
export function fleetRunner(here: Runner, fleet: Fleet): Runner {
  const runner: Runner = {
    backend: here.backend,
    version: here.version,
    options: here.options,
    open: async (model, options = {}) =>
      model instanceof Uint8Array ? here.open(model, options) : new FleetSession(here, fleet, model, options),
    using: async (model, use, options) => disposeAfter(await runner.open(model, options), use),
  };
  return runner;
}

class FleetSession implements Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  #local: Promise<Session> | undefined;
  #stored: Promise<string> | undefined;
  /** The model as it was when it was opened: who opened it may change it afterwards. */
  readonly #model: Model;

  constructor(
    readonly runner: Runner,
    readonly fleet: Fleet,
    model: Model,
    readonly options: SessionOptions,
  ) {
    const { graph } = model;
    this.inputNames = graph.inputs.filter(({ name }) => !graph.initializers.has(name)).map(({ name }) => name);
    this.outputNames = graph.outputs.map(({ name }) => name);
    this.#model = cloneModel(model);
  }

  async run(feeds: Parameters<Session["run"]>[0], options?: RunOptions) {
    return (await this.#here()).run(feeds, options);
  }

  async dispose(): Promise<void> {
    await this.#local?.then((session) => session.dispose());
  }

  #here(): Promise<Session> {
    this.#local ??= this.runner.open(this.#model, this.options);
    return this.#local;
  }

  sweep(sweep: Sweep, signal?: AbortSignal): AsyncIterable<SweptBatch> | undefined {
    const plan = this.fleet.parts.planOf(sweep.source);
    return plan === undefined ? undefined : this.#sweep(sweep, plan, signal);
  }

  async *#sweep(sweep: Sweep, plan: unknown, signal: AbortSignal | undefined): AsyncGenerator<SweptBatch> {
    const { store, engine } = this.fleet.parts;
    const jobs = await shardJobs(store, await this.#common(plan), sweep);
    const ahead: ReturnType<Fleet["results"]>[] = [];
    let next = 0;
    for (const { first } of jobs) {
      for (; next < jobs.length && ahead.length < engine.window; next++) {
        const results = this.fleet.results(jobs[next]!.hash, signal);
        // A failure waits until its turn; it must not count as unhandled meanwhile.
        results.catch(() => undefined);
        ahead.push(results);
      }
      throwIfAborted(signal, this.options.purpose ?? "run");
      for (const { meta, tensors } of await ahead.shift()!) {
        yield { ...meta, results: { ...tensors }, firstIndex: first + meta.firstIndex };
      }
    }
  }

  async #common(plan: unknown): Promise<SessionPart> {
    const { store } = this.fleet.parts;
    this.#stored ??= putByHash(store, "models", serializeModel(this.#model));
    return {
      runtime: this.runner.version ?? "unknown",
      purpose: this.options.purpose ?? "run",
      model: await this.#stored,
      session: sessionPart(this.options),
      data: await putByHash(store, "data", new TextEncoder().encode(JSON.stringify(plan))),
    };
  }
}

const CLASSES = { OptionsError, ModelError, PreconditionError, DataError, RunError } as const;

/** A worker's error as its own class, so that it reads and exits like one of this process. */
function errorOf({ name, code, message, details }: Extract<ShardOutcome, { ok: false }>["error"]): CompressionError {
  const Class = Object.hasOwn(CLASSES, name) ? CLASSES[name as keyof typeof CLASSES] : CompressionError;
  return new Class(code as ErrorCode, message, details);
}
