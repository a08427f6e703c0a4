import { OptionsError, throwIfAborted } from "../errors.js";
import type { Dataset } from "./dataset.js";
import { elementCount } from "./input.js";

/** Options for {@link batches}. */
export interface BatchOptions {
  /** Samples a batch; the last one may have fewer. Default: 8. */
  batchSize?: number;
  /** Batches prepared ahead while the consumer works. Default: 2. */
  prefetch?: number;
  /** Samples read and decoded at the same time. Default: 4, the threads Node's file and decoder work has. */
  parallel?: number;
  signal?: AbortSignal;
}
export const BATCH_DEFAULTS = { batchSize: 8, prefetch: 2, parallel: 4 } as const;

/** Samples first … first + count − 1, one after the other. The array is the consumer's to keep. */
export interface Batch {
  readonly data: Float32Array;
  /** [count, ...shape of a sample]. */
  readonly dims: readonly number[];
  readonly count: number;
  readonly firstIndex: number;
  /** Class indices, when the dataset is labelled. */
  readonly labels?: Int32Array;
}

/** Lets at most `size` tasks run at once; those who wait go in the order they came. */
function createSlots(size: number) {
  let free = size;
  const waiting: (() => void)[] = [];
  return {
    async take(): Promise<void> {
      if (free > 0) free--;
      else await new Promise<void>((go) => waiting.push(go));
    },
    give(): void {
      const next = waiting.shift();
      if (next) next();
      else free++;
    },
  };
}

function requireCount(name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new OptionsError("E2002", `batches: invalid ${name} ${value}, expected an integer, ${least} or more`);
}

/** Settles as `promise`, or rejects as soon as the signal is aborted. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => {
      try {
        throwIfAborted(signal, "data");
      } catch (error) {
        reject(error);
      }
    };
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/**
 * The dataset in batches, in order. While the consumer runs one batch, the next are read and decoded: at most
 * `prefetch` of them exist besides the consumer's own, so memory does not depend on the length of the dataset.
 *
 * An error in a sample rejects at the batch it belongs to, after the good batches before it. Leaving the loop early
 * stops further reading.
 *
 * @throws {OptionsError} E2002 an option is out of range.
 * @throws {RunError} E6005 the signal was aborted.
 * @example for await (const { data, dims } of batches(dataset, { batchSize: 16 })) await run(data, dims);
 */
export async function* batches(dataset: Dataset, options: BatchOptions = {}): AsyncGenerator<Batch, void, undefined> {
  const { batchSize, prefetch, parallel, signal } = { ...BATCH_DEFAULTS, ...options };
  requireCount("batchSize", batchSize, 1);
  requireCount("prefetch", prefetch, 0);
  requireCount("parallel", parallel, 1);
  const size = elementCount(dataset.shape);
  const slots = createSlots(parallel);
  let stopped = false;

  async function fillBatch(firstIndex: number): Promise<Batch> {
    const count = Math.min(batchSize, dataset.length - firstIndex);
    const data = new Float32Array(count * size);
    const running: Promise<void>[] = [];
    let failed = false;
    for (let i = 0; i < count && !failed; i++) {
      await slots.take();
      // Nobody waits any more: the batch is never looked at.
      if (stopped) {
        slots.give();
        break;
      }
      const task = (async () => dataset.fill(firstIndex + i, data, i * size))().finally(slots.give);
      // Promise.all below reports the failure; until it is reached, this keeps it from counting as unhandled.
      task.catch(() => {
        failed = true;
      });
      running.push(task);
    }
    await Promise.all(running);
    const { label } = dataset;
    const labels = label && Int32Array.from({ length: count }, (_, i) => label.call(dataset, firstIndex + i));
    return { data, dims: [count, ...dataset.shape], count, firstIndex, ...(labels && { labels }) };
  }

  const ahead: Promise<Batch>[] = [];
  let next = 0;
  const prepare = (most: number) => {
    while (ahead.length < most && next < dataset.length) {
      const batch = fillBatch(next);
      // A failure waits here until its turn; it must not count as unhandled meanwhile.
      batch.catch(() => {});
      ahead.push(batch);
      next += batchSize;
    }
  };
  try {
    for (;;) {
      throwIfAborted(signal, "data");
      prepare(1);
      const current = ahead.shift();
      if (!current) return;
      // The batch in hand does not count: it will be the consumer's.
      prepare(prefetch);
      yield await orAborted(current, signal);
    }
  } finally {
    stopped = true;
  }
}
