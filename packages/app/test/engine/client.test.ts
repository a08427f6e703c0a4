import { expect, test, vi } from "vitest";
import { CallError, EngineClient, type WorkerLike } from "../../src/engine/client.js";
import type { ModelSource, Reply, Request } from "../../src/protocol.js";

/** A worker that answers as it is told. */
class FakeWorker implements WorkerLike {
  onmessage: ((event: { data: Reply }) => void) | null = null;
  onerror: ((event: { message?: string }) => void) | null = null;
  readonly sent: Request[] = [];
  ended = false;

  constructor(readonly answer: (request: Request, worker: FakeWorker) => void) {}

  postMessage(message: Request): void {
    this.sent.push(message);
    queueMicrotask(() => this.answer(message, this));
  }

  reply(data: Reply): void {
    this.onmessage?.({ data });
  }

  terminate(): void {
    this.ended = true;
  }
}

const SOURCE: ModelSource = { name: "m.onnx", main: "m.onnx", files: [] };

function start(answer: (request: Request, worker: FakeWorker) => void) {
  const workers: FakeWorker[] = [];
  const client = new EngineClient(() => {
    const worker = new FakeWorker(answer);
    workers.push(worker);
    return worker;
  });
  return { client, workers };
}

const echo = (request: Request, worker: FakeWorker) => {
  if (request.type === "call") worker.reply({ type: "done", id: request.id, result: request.name });
};

test("calls are answered, with progress on the way", async () => {
  const { client } = start((request, worker) => {
    if (request.type !== "call") return;
    worker.reply({ type: "progress", id: request.id, progress: { phase: "p", done: 1, total: 2 } });
    worker.reply({ type: "done", id: request.id, result: 5 });
  });
  const seen: unknown[] = [];
  expect(await client.call("check", {}, (progress) => seen.push(progress)).promise).toBe(5);
  expect(seen).toEqual([{ phase: "p", done: 1, total: 2 }]);
});

test("a failure carries what the card shows", async () => {
  const problem = { code: "E3002", what: "w", where: "x", why: "y", now: "z" } as const;
  const { client } = start((request, worker) => {
    if (request.type === "call") worker.reply({ type: "failed", id: request.id, problem });
  });
  const error = await client.call("check", {}).promise.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(CallError);
  expect((error as CallError).problem).toEqual(problem);
});

test("a worker that does not answer a cancel is ended within 100 ms; the next call opens model and data again", async () => {
  vi.useFakeTimers();
  try {
    const { client, workers } = start((request, worker) => {
      if (request.type === "call" && request.name !== "execute") echo(request, worker);
    });
    await client.call("openModel", { source: SOURCE }).promise;
    const data = {
      source: { kind: "digits" as const },
      plan: { samples: 1, validate: 1, labels: "auto" as const, preprocess: {} },
    };
    await client.call("openData", data).promise;
    const job = client.call("execute", { id: "x", steps: [], calibration: null });
    const failed = expect(job.promise).rejects.toMatchObject({ problem: { code: "E6005" } });
    await vi.advanceTimersByTimeAsync(1);
    job.cancel();
    await vi.advanceTimersByTimeAsync(100);
    await failed;
    expect(workers[0]!.ended).toBe(true);
    expect(await client.call("check", {}).promise).toBe("check");
    expect(workers[1]!.sent.map((request) => (request.type === "call" ? request.name : request.type))).toEqual([
      "openModel",
      "openData",
      "check",
    ]);
  } finally {
    vi.useRealTimers();
  }
});

test("a worker that answers a cancel lives on", async () => {
  const calls = new Map<number, boolean>();
  const { client, workers } = start((request, worker) => {
    if (request.type === "call") calls.set(request.id, true);
    if (request.type === "cancel") {
      const problem = { code: "E6005", what: "", where: "", why: "", now: "" } as const;
      worker.reply({ type: "failed", id: request.id, problem });
    }
  });
  const job = client.call("calibrate", { steps: [] });
  await Promise.resolve();
  await Promise.resolve();
  job.cancel();
  await expect(job.promise).rejects.toMatchObject({ problem: { code: "E6005" } });
  await new Promise((after) => setTimeout(after, 90));
  expect(workers).toHaveLength(1);
  expect(workers[0]!.ended).toBe(false);
});

test("a worker that dies fails what was running, and the next call gets another", async () => {
  const { client, workers } = start((request, worker) => {
    if (request.type === "call" && request.name === "execute") worker.onerror?.({ message: "out of memory" });
    else echo(request, worker);
  });
  await expect(client.call("execute", { id: "x", steps: [], calibration: null }).promise).rejects.toMatchObject({
    problem: { code: "E6001" },
  });
  expect(await client.call("check", {}).promise).toBe("check");
  expect(workers).toHaveLength(2);
});

test("the file of a model that could not be opened is not opened again", async () => {
  const problem = { code: "E3002", what: "", where: "", why: "", now: "" } as const;
  const { client, workers } = start((request, worker) => {
    if (request.type !== "call") return;
    const bad = request.name === "openModel" && (request.params as { source: ModelSource }).source.name === "bad";
    if (bad) worker.reply({ type: "failed", id: request.id, problem });
    else if (request.name === "execute") worker.onerror?.({});
    else echo(request, worker);
  });
  await client.call("openModel", { source: SOURCE }).promise;
  await client.call("openModel", { source: { ...SOURCE, name: "bad" } }).promise.catch(() => undefined);
  await client.call("execute", { id: "x", steps: [], calibration: null }).promise.catch(() => undefined);
  await client.call("check", {}).promise;
  const [reopen] = workers[1]!.sent;
  expect(reopen).toMatchObject({ name: "openModel", params: { source: { name: "m.onnx" } } });
});
