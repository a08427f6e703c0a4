import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RunError } from "@equant/core/errors";
import {
  type Calibration,
  calibrate,
  createRunner,
  type Dataset,
  GraphBuilder,
  ints,
  type Model,
  randomDataset,
  subset,
  Tensor,
} from "@equant/core/lab";
import fc from "fast-check";
import * as ort from "onnxruntime-node";
import { expect, onTestFinished, test } from "vitest";
import { type Engine, Fleet, fleetRunner } from "../src/fleet.js";
import { resultKey } from "../src/shard-job.js";
import { ShardWorker } from "../src/shard-worker.js";
import { folderStore } from "../src/store.js";

const here = createRunner(ort as never, { threads: 1 });

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "equant-fleet-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** input → Conv → Relu → Conv, whose sums depend on the order in which they are taken. */
function network(): Model {
  const { model, builder } = GraphBuilder.model("net", 17);
  let value = builder.input("input", ["N", 3, 8, 8]);
  for (const [i, [inputs, outputs]] of [
    [3, 5],
    [5, 4],
  ].entries()) {
    const size = outputs! * inputs! * 9;
    const weight = Float32Array.from({ length: size }, (_, at) => Math.sin(at + i));
    const conv = builder.node("Conv", [value, builder.constant(Tensor.float32([outputs!, inputs!, 3, 3], weight))], {
      pads: ints([1, 1, 1, 1]),
    });
    value = builder.node("Relu", [conv]);
  }
  builder.output(value);
  return model;
}

const SOURCE = "data of the test";
/** As the command opens data: others can open it too. */
const samples = (length: number): Dataset => ({
  ...randomDataset([3, 8, 8], length, 7, { min: -1, max: 1 }),
  source: { id: SOURCE, at: (index) => index },
});

async function statistics(data: Dataset, runner = here): Promise<Calibration> {
  const model = network();
  const values = ["input", ...model.graph.nodes.flatMap(({ outputs }) => outputs)];
  const requests = values.map((value) => ({
    value,
    moments: true,
    exactMinimum: true,
    histogram: true,
    tail: true,
  }));
  return calibrate(model, { requests, batchSize: 5 }, { runner, data });
}

/** Workers in this process that take jobs out of turn, do some twice, and are lost with others. */
function unrulyEngine(path: string, length: number, order: () => number): { engine: Engine; jobs: () => number } {
  const workers = [0, 1, 2].map(
    () => new ShardWorker({ store: folderStore(path), runner: here, openData: async () => samples(length) }),
  );
  let jobs = 0;
  let tail: Promise<unknown> = Promise.resolve();
  const waiting: (() => Promise<void>)[] = [];
  const engine: Engine = {
    window: 4,
    run: (job) =>
      new Promise((resolve, reject) => {
        const pick = () => Math.floor(order() * 3);
        waiting.push(async () => {
          jobs++;
          const outcome = await workers[pick()]!.run(job);
          if (order() < 0.3) await workers[pick()]!.run(job);
          if (order() < 0.2) {
            // The result got lost with the machine it lay on.
            await folderStore(path).delete(resultKey(job));
            await workers[pick()]!.run(job);
          }
          resolve(outcome);
        });
        tail = tail.then(() => waiting.splice(Math.floor(order() * waiting.length), 1)[0]!().catch(reject));
      }),
    close: async () => {
      for (const worker of workers) await worker.close();
    },
  };
  return { engine, jobs: () => jobs };
}

test("any order, any worker, shards done twice: the calibration of one process, byte for byte (property)", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 140 }),
      fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
      async (length, orders) => {
        const path = await folder();
        const { engine, jobs } = unrulyEngine(path, length, () => orders.next().value!);
        const fleet = new Fleet({ store: folderStore(path), engine, planOf: () => ({}) });
        const chosen = (all: Dataset) =>
          subset(
            all,
            Array.from({ length }, (_, i) => (i * 7) % length),
          );
        const expected = (await statistics(chosen(samples(length)))).serialize();
        expect((await statistics(chosen(samples(length)), fleetRunner(here, fleet))).serialize()).toBe(expected);
        expect(jobs()).toBe(Math.ceil(length / 35));
        await fleet.close(true);
      },
    ),
    { numRuns: 12, seed: 19 },
  );
});

test("what was stopped goes on from its results", async () => {
  const path = await folder();
  const parts = { store: folderStore(path), planOf: () => ({}) };
  const first = new Fleet({ ...parts, engine: unrulyEngine(path, 100, () => 0.5).engine });
  await statistics(samples(100), fleetRunner(here, first));
  await first.close(false);
  const second = new Fleet({ ...parts, engine: unrulyEngine(path, 100, () => 0.5).engine });
  await statistics(samples(100), fleetRunner(here, second));
  expect([first.done, first.reused, second.done, second.reused]).toEqual([3, 0, 0, 3]);
  await second.close(true);
  expect(await parts.store.has(resultKey("0".repeat(64)))).toBe(false);
});

test("data that only the producer has is run by it", async () => {
  const path = await folder();
  const { engine, jobs } = unrulyEngine(path, 40, () => 0.5);
  const fleet = new Fleet({ store: folderStore(path), engine, planOf: () => undefined });
  const expected = (await statistics(samples(40))).serialize();
  expect((await statistics(samples(40), fleetRunner(here, fleet))).serialize()).toBe(expected);
  expect(jobs()).toBe(0);
});

test("what runs here is held to the memory that it may take, as without a fleet", async () => {
  const path = await folder();
  const { engine } = unrulyEngine(path, 1, () => 0.5);
  const small = createRunner(ort as never, { maxValueBytes: 100 });
  const fleet = new Fleet({ store: folderStore(path), engine, planOf: () => ({}) });
  const feeds = { input: { dtype: "float32" as const, dims: [1, 3, 8, 8], data: new Float32Array(192) } };
  const run = (runner: typeof here) => runner.using(network(), (session) => session.run(feeds));
  for (const runner of [small, fleetRunner(small, fleet)]) {
    await expect(run(runner)).rejects.toMatchObject({ code: "E6001" });
  }
});

test("a damaged sample is the producer's error, by its code and name, and is not tried again", async () => {
  const path = await folder();
  const worker = new ShardWorker({
    store: folderStore(path),
    runner: here,
    openData: async () => ({
      ...samples(40),
      fill: (index, out, offset) => {
        out.fill(index === 37 ? Number.NaN : 0.5, offset, offset + 192);
      },
    }),
  });
  const engine: Engine = { window: 2, run: (job) => worker.run(job), close: () => worker.close() };
  const fleet = new Fleet({ store: folderStore(path), engine, planOf: () => ({}) });
  await expect(statistics(samples(40), fleetRunner(here, fleet))).rejects.toMatchObject({
    code: "E7001",
    details: { sample: "random[37]" },
  });
  await fleet.close(false);
});

test("other data under the same plan, another version of ONNX Runtime, a job of another schema: refused, not computed", async () => {
  const path = await folder();
  const store = folderStore(path);
  const foreign = new ShardWorker({
    store,
    runner: here,
    openData: async () => ({ ...samples(40), source: { id: "other data", at: (index) => index } }),
  });
  const engine: Engine = { window: 2, run: (job) => foreign.run(job), close: () => foreign.close() };
  const run = (engineOf: Engine) =>
    statistics(samples(40), fleetRunner(here, new Fleet({ store, engine: engineOf, planOf: () => ({}) })));
  await expect(run(engine)).rejects.toMatchObject({
    code: "E6004",
    details: { expected: SOURCE, actual: "other data" },
  });
  const old = new ShardWorker({
    store,
    runner: { ...here, version: "1.0.0" },
    openData: async () => samples(40),
  });
  await expect(run({ ...engine, run: (job) => old.run(job) })).rejects.toThrow(RunError);
  await expect(run({ ...engine, run: (job) => old.run(job) })).rejects.toMatchObject({ details: { actual: "1.0.0" } });
  const hash = "a".repeat(64);
  await store.put({ kind: "jobs", hash }, new TextEncoder().encode("{}"));
  expect(await old.run(hash)).toMatchObject({ ok: false, error: { code: "E5002" } });
  for (const name of ["../../etc/passwd", "A".repeat(64), ""]) {
    expect(await old.run(name)).toMatchObject({ ok: false, error: { code: "E2002" } });
  }
});
