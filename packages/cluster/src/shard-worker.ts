import { CompressionError, RunError } from "@equant/core/errors";
import { type Dataset, parseModel, type Runner, runSweep, type Session, type SweptBatch } from "@equant/core/lab";
import { readJob, resultKey, type ShardJob, sweepOf } from "./shard-job.js";
import { getByHash, requireHash, type Store } from "./store.js";
import { encodeRecords } from "./tensor-file.js";

/** What a worker needs besides a job. */
export interface WorkerParts {
  readonly store: Store;
  readonly runner: Runner;
  /** Opens the data that a plan names, as the producer did; the plan is the producer's own. */
  readonly openData: (plan: unknown) => Promise<Dataset>;
}

/** Models that stay open: one for each phase of a command that goes on at the same time, and a spare one. */
const OPEN_SESSIONS = 3;

/** What became of a job, for the queue: small, for it travels through the broker. */
export type ShardOutcome = { readonly ok: true } | { readonly ok: false; readonly error: ReturnType<typeof errorJson> };

/** Carries out jobs one after the other. Models and data stay open from one to the next. */
export class ShardWorker {
  readonly #sessions = new Map<string, Promise<Session>>();
  readonly #data = new Map<string, Promise<Dataset>>();

  constructor(readonly parts: WorkerParts) {}

  /**
   * Does a job and leaves its results in the store; one that was done before is not done again. Errors that a person can act on come
   * back as an outcome: another try would find the same. Others are thrown.
   */
  async run(name: string): Promise<ShardOutcome> {
    const { store, runner } = this.parts;
    const key = resultKey(name);
    try {
      requireHash(name);
      if (await store.has(key)) return { ok: true };
      const job = await readJob(store, name, runner.version ?? "unknown");
      const dataset = await this.#open(job);
      const session = await this.#session(job);
      const batches: SweptBatch[] = [];
      await runSweep(session, await sweepOf(store, job), dataset, (batch) => batches.push(batch));
      const records = batches.map(({ results, ...meta }) => ({ meta, tensors: results }));
      await store.put(key, encodeRecords(records));
      return { ok: true };
    } catch (error) {
      if (error instanceof CompressionError) return { ok: false, error: errorJson(error) };
      throw error;
    }
  }

  async #open({ data, source }: ShardJob): Promise<Dataset> {
    const { store, openData } = this.parts;
    const opening =
      this.#data.get(data) ??
      getByHash(store, { kind: "data", hash: data }).then((bytes) =>
        openData(JSON.parse(new TextDecoder().decode(bytes))),
      );
    this.#data.set(data, opening);
    const dataset = await opening.catch((error: unknown) => {
      this.#data.delete(data);
      throw error;
    });
    if (dataset.source?.id === source) return dataset;
    throw new RunError("E6004", "the data of this worker is not the data of the producer", {
      expected: source,
      actual: dataset.source?.id,
      hint: "mount the same files at the same path everywhere",
    });
  }

  async #session({ model, session, purpose }: ShardJob): Promise<Session> {
    const { store, runner } = this.parts;
    const key = JSON.stringify([model, session]);
    const open =
      this.#sessions.get(key) ??
      getByHash(store, { kind: "models", hash: model }).then((bytes) =>
        runner.open(parseModel(bytes), { ...(session as object), purpose }),
      );
    // The one used last comes last; the first one goes.
    this.#sessions.delete(key);
    this.#sessions.set(key, open);
    for (const [old, stale] of this.#sessions) {
      if (this.#sessions.size <= OPEN_SESSIONS) break;
      this.#sessions.delete(old);
      await stale.then((one) => one.dispose()).catch(() => undefined);
    }
    try {
      return await open;
    } catch (error) {
      this.#sessions.delete(key);
      throw error;
    }
  }

  async close(): Promise<void> {
    const open = [...this.#sessions.values()];
    this.#sessions.clear();
    for (const session of open) await session.then((one) => one.dispose()).catch(() => undefined);
  }
}

function errorJson(error: CompressionError) {
  return { name: error.name, code: error.code, message: error.message, details: error.details };
}
