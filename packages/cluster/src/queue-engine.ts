import { randomUUID } from "node:crypto";
import { OptionsError, RunError } from "@equant/core/errors";
import type { Job, Queue, QueueEvents, Worker } from "bullmq";
import type { Engine } from "./fleet.js";
import { resultKey } from "./shard-job.js";
import type { ShardOutcome, ShardWorker } from "./shard-worker.js";
import type { Store } from "./store.js";

/** Where the queue lies; see {@link connectQueue}. */
export interface QueueOptions {
  /** `redis://`, `rediss://` (TLS), `postgres://`. A password belongs into the environment: `EQUANT_QUEUE_PASSWORD`. */
  readonly url: string;
  /** Name of the queue. Default: `equant`. */
  readonly name?: string;
  readonly env?: NodeJS.ProcessEnv;
}

const SCHEMES = ["redis:", "rediss:", "postgres:", "postgresql:"];

/** A job whose worker is silent so long goes to another. */
const LOCK_MS = 10_000;
/** How often silent workers are looked for. */
const STALLED_MS = 5_000;
/** A job that took so many workers with it takes no more. */
const STALLED_TIMES = 3;
/** How long an event is waited for before the job itself is asked: events get lost where the broker restarts. */
const ASK_MS = 3_000;
/** Results that nobody fetched are forgotten by the broker after this; the store has them. */
const KEEP_S = 3600;

/** What is said of a queue where others read it: never with a password. */
export function shownUrl(url: string): string {
  try {
    const shown = new URL(url);
    if (shown.password !== "") shown.password = "***";
    return shown.href;
  } catch {
    return "(no URL)";
  }
}

/**
 * BullMQ on Redis, Valkey or PostgreSQL. @throws {OptionsError} E2002 a URL of another kind. @throws {RunError} E6004 the packages for it are not installed.
 */
export async function connectQueue({ url, name = "equant", env = process.env }: QueueOptions) {
  const target = URL.canParse(url) ? new URL(url) : undefined;
  if (!target || !SCHEMES.includes(target.protocol)) {
    throw new OptionsError("E2002", `queue: ${shownUrl(url)} is no redis:// or postgres:// URL`, {
      expected: SCHEMES.map((scheme) => `${scheme}//`),
      hint: "for example redis://queue.internal:6379",
    });
  }
  if (env.EQUANT_QUEUE_USER) target.username = env.EQUANT_QUEUE_USER;
  if (env.EQUANT_QUEUE_PASSWORD) target.password = env.EQUANT_QUEUE_PASSWORD;
  const isRedis = target.protocol.startsWith("redis");
  const bullmq = await load(() => import("bullmq"), isRedis ? "bullmq ioredis" : "bullmq pg");
  // Without `migrate` a worker on an empty database spins on an error.
  const common = isRedis
    ? { connection: { url: target.href, maxRetriesPerRequest: null } }
    : { connection: { connectionString: target.href, migrate: true } };
  const backend = (isRedis ? undefined : bullmq.createPostgresBackend) as undefined;
  const options = { ...common, prefix: "equant" } as never;
  const quiet = <T extends { on(event: "error", listener: (error: Error) => void): unknown }>(one: T): T => {
    // The connection comes back by itself; who waits finds out by asking.
    one.on("error", () => undefined);
    return one;
  };
  return {
    queue: (): Queue => quiet(new bullmq.Queue(name, options, backend)),
    events: (): QueueEvents => quiet(new bullmq.QueueEvents(name, options, backend)),
    worker: (run: (job: Job) => Promise<unknown>, concurrency: number): Worker =>
      quiet(
        new bullmq.Worker(
          name,
          run,
          {
            ...(options as object),
            concurrency,
            lockDuration: LOCK_MS,
            stalledInterval: STALLED_MS,
            maxStalledCount: STALLED_TIMES,
          } as never,
          backend,
        ),
      ),
  };
}

async function load<T>(module: () => Promise<T>, packages: string): Promise<T> {
  try {
    return await module();
  } catch (error) {
    const hint = `install them beside equant:  npm install ${packages}`;
    throw new RunError("E6004", "a queue needs packages that are not installed", { hint }, error);
  }
}

/** Has jobs done by whoever serves the queue. `workers` is about how many there are. */
export async function queueEngine(options: QueueOptions & { store: Store; workers?: number }): Promise<Engine> {
  const { store, workers = 8 } = options;
  const connection = await connectQueue(options);
  const queue = connection.queue();
  const events = connection.events();
  const run = randomUUID().slice(0, 8);
  await events.waitUntilReady();
  const add = (job: string) =>
    queue.add(
      "shard",
      { job },
      // Jobs of one name from two commands are two: either may take its result away.
      { jobId: `${run}-${job}`, attempts: 3, removeOnComplete: { age: KEEP_S }, removeOnFail: { age: KEEP_S } },
    );
  const wait = async (job: string, signal: AbortSignal | undefined): Promise<ShardOutcome> => {
    let added = await add(job);
    for (;;) {
      if (signal?.aborted) {
        await added.remove().catch(() => undefined);
        throw new RunError("E6005", "cancelled");
      }
      try {
        return (await added.waitUntilFinished(events, ASK_MS)) as ShardOutcome;
      } catch {
        const state = await added.getState().catch(() => "unreachable" as const);
        if (state === "failed") throw await failure(queue, added);
        // The broker lost it; the store may have what came of it.
        if (state === "unknown") {
          if (await store.has(resultKey(job))) return { ok: true };
          added = await add(job);
        }
      }
    }
  };
  return {
    window: 2 * workers,
    run: wait,
    async close() {
      await events.close();
      await queue.close();
    },
  };
}

async function failure(queue: Queue, job: Job): Promise<RunError> {
  const { failedReason = "no reason given" } = (await queue.getJob(job.id!)) ?? job;
  const hint = "see what the workers say; the next run goes on from here";
  return new RunError("E6004", `a worker failed (${failedReason})`, { hint });
}

/** Serves a queue until the signal: jobs one after the other, those in hand finished first. */
export async function runQueueWorker(
  options: QueueOptions & {
    worker: ShardWorker;
    signal: AbortSignal;
    onJob?: (job: string, outcome: ShardOutcome) => void;
  },
): Promise<void> {
  const { worker, signal, onJob } = options;
  const connection = await connectQueue(options);
  const serving = connection.worker(async ({ data }) => {
    const { job } = data as { job: unknown };
    if (typeof job !== "string") throw new OptionsError("E2002", "job without a name");
    const outcome = await worker.run(job);
    onJob?.(job, outcome);
    return outcome;
  }, 1);
  await serving.waitUntilReady();
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  await serving.close();
  await worker.close();
}
