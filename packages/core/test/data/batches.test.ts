import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Batch, batches } from "../../src/data/batches.js";
import type { Dataset } from "../../src/data/dataset.js";
import { RunError } from "../../src/errors.js";
import { failureOf } from "./helpers.js";

/** Sample i is [i, −i]; `fill` decides whether and when it comes. */
function numbered(length: number, fill?: Dataset["fill"], labelled = false): Dataset {
  return {
    length,
    shape: [2],
    id: String,
    fill:
      fill ??
      ((index, out, offset) => {
        out.set([index, -index], offset);
      }),
    ...(labelled && { label: (index: number) => index % 3 }),
  };
}

const later = (ms = 0) => new Promise<void>((done) => setTimeout(done, ms));

async function collect(dataset: Dataset, options: Parameters<typeof batches>[1]): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches(dataset, options)) all.push(batch);
  return all;
}

describe("batches", () => {
  it("covers every sample once, in order, whatever the sizes (property)", async () => {
    const count = fc.integer({ min: 1, max: 9 });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 30 }),
        count,
        fc.integer({ min: 0, max: 4 }),
        count,
        fc.boolean(),
        async (length, batchSize, prefetch, parallel, slow) => {
          const data = numbered(
            length,
            slow
              ? async (index, out, offset) => {
                  // Later samples finish first: order must not depend on it.
                  for (let turn = 0; turn < (length - index) % 4; turn++) await Promise.resolve();
                  out.set([index, -index], offset);
                }
              : undefined,
          );
          const all = await collect(data, { batchSize, prefetch, parallel });
          expect(all.flatMap((batch) => [...batch.data])).toEqual(Array.from({ length }, (_, i) => [i, -i]).flat());
          expect(all.map((batch) => batch.count)).toEqual(
            Array.from({ length: Math.ceil(length / batchSize) }, (_, b) =>
              Math.min(batchSize, length - b * batchSize),
            ),
          );
          expect(all.every((batch, b) => batch.firstIndex === b * batchSize)).toBe(true);
          expect(all.every((batch) => batch.dims[0] === batch.count && batch.dims[1] === 2)).toBe(true);
        },
      ),
      { seed: 5, numRuns: 150 },
    );
  });

  it("carries labels", async () => {
    const all = await collect(numbered(5, undefined, true), { batchSize: 2 });
    expect(all.map((batch) => [...batch.labels!])).toEqual([[0, 1], [2, 0], [1]]);
    expect((await collect(numbered(1), {}))[0]!.labels).toBeUndefined();
  });

  it("reads ahead while the consumer works, no further than prefetch, no more at once than parallel", async () => {
    const finished = new Set<number>();
    let running = 0;
    let most = 0;
    const data = numbered(40, async (index) => {
      most = Math.max(most, ++running);
      await later();
      running--;
      finished.add(index);
    });
    let consumed = 0;
    for await (const batch of batches(data, { batchSize: 4, prefetch: 2, parallel: 3 })) {
      for (let before = -1; before !== finished.size || running > 0; ) {
        before = finished.size;
        await later(2);
      }
      consumed += batch.count;
      // In hand: consumed. Ahead: at most two batches of four, and by now they are ready.
      expect(finished.size).toBe(Math.min(40, consumed + 8));
    }
    expect(most).toBe(3);
  });

  it("without prefetch reads nothing ahead", async () => {
    const started: number[] = [];
    const data = numbered(6, async (index) => {
      started.push(index);
      await later();
    });
    for await (const batch of batches(data, { batchSize: 2, prefetch: 0 })) {
      await later(5);
      expect(started.length).toBe(batch.firstIndex + 2);
    }
  });

  it("an error rejects at its batch, after the good ones, and leaves nothing unhandled", async () => {
    const unhandled: unknown[] = [];
    const listen = (reason: unknown) => unhandled.push(reason);
    process.on("unhandledRejection", listen);
    try {
      for (const sync of [true, false]) {
        const data = numbered(20, (index, out, offset) => {
          if (index === 9 || index === 10 || index === 13) {
            if (sync) throw new TypeError(`sample ${index}`);
            return Promise.reject(new TypeError(`sample ${index}`));
          }
          out.set([index, -index], offset);
        });
        const seen: number[] = [];
        await expect(
          (async () => {
            for await (const batch of batches(data, { batchSize: 4, prefetch: 3 })) {
              seen.push(batch.firstIndex);
              await later(2);
            }
          })(),
        ).rejects.toThrow("sample 9");
        expect(seen).toEqual([0, 4]);
      }
      await later(20);
      expect(unhandled).toEqual([]);
    } finally {
      process.off("unhandledRejection", listen);
    }
  });

  it("stops reading when the loop is left", async () => {
    let started = 0;
    const data = numbered(1000, async () => {
      started++;
      await later();
    });
    for await (const _ of batches(data, { batchSize: 2, prefetch: 2 })) break;
    const atBreak = started;
    await later(30);
    expect(started).toBe(atBreak);
    expect(started).toBeLessThanOrEqual(6);
  });

  it("rejects with E6005 as soon as the signal is aborted, even while a sample hangs", async () => {
    const control = new AbortController();
    const data = numbered(8, (index, out, offset) => {
      if (index < 2) out.set([index, index], offset);
      else return new Promise(() => {});
    });
    const seen: number[] = [];
    setTimeout(() => control.abort(), 10);
    const failure = await failureOf(async () => {
      for await (const batch of batches(data, { batchSize: 2, signal: control.signal })) seen.push(batch.firstIndex);
    });
    expect([failure.code, seen]).toEqual(["E6005", [0]]);
    await expect(collect(numbered(2), { signal: AbortSignal.abort() })).rejects.toBeInstanceOf(RunError);
  });

  it.each([{ batchSize: 0 }, { batchSize: 1.5 }, { prefetch: -1 }, { parallel: 0 }])("refuses %j", async (options) => {
    expect((await failureOf(() => collect(numbered(1), options))).code).toBe("E2002");
  });
});
