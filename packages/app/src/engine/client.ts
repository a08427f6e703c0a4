import type { Problem } from "../problem.js";
import type {
  AppProvider,
  CallName,
  DataSource,
  ModelSource,
  Params,
  Progress,
  Reply,
  Request,
  Result,
} from "../protocol.js";
import type { DataPlan } from "../recipe/recipe.js";

/** A call that failed, with what the card shows. */
export class CallError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.why);
    this.name = "CallError";
  }
}

/** The worker as the client sees it; tests give their own. */
export interface WorkerLike {
  onmessage: ((event: { data: Reply }) => void) | null;
  onerror: ((event: { message?: string }) => void) | null;
  postMessage(message: Request): void;
  terminate(): void;
}

/** A call that runs. */
export interface Job<T> {
  readonly promise: Promise<T>;
  cancel(): void;
}

interface Pending {
  readonly name: CallName;
  readonly resolve: (value: never) => void;
  readonly reject: (error: CallError) => void;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

/** A worker that has not answered a cancel after this long is ended and started anew. */
const GRACE_MS = 60;

const CANCELLED: Problem = {
  code: "E6005",
  what: "Aborted.",
  where: "app",
  why: "Cancelled.",
  now: "Nothing is lost: run it again when you like.",
};
const CRASHED: Problem = {
  code: "E6001",
  what: "The worker stopped.",
  where: "app",
  why: "The browser ended the computation, most often for lack of memory.",
  now: "Your model, data, recipe and runs are kept. Take fewer images, close other tabs, or use the command line.",
};

/** Calls into the worker. A worker that hangs or dies is replaced, and what was open is opened again before the next call. */
export class EngineClient {
  #worker: WorkerLike | undefined;
  #next = 1;
  readonly #pending = new Map<number, Pending>();
  #model: ModelSource | undefined;
  #data: { source: DataSource; plan: DataPlan } | undefined;
  #provider: AppProvider = "wasm";
  /** A new worker has neither model nor data. */
  #cold = false;

  constructor(readonly start: () => WorkerLike) {}

  /** Calls `name`, not before `after` resolves; a failure rejects with {@link CallError}. */
  call<N extends CallName>(
    name: N,
    params: Params<N>,
    onProgress?: (progress: Progress) => void,
    after?: Promise<void>,
  ): Job<Result<N>> {
    let id = 0;
    let cancelled = false;
    const promise = (async () => {
      await after;
      await this.#reopen(name);
      if (cancelled) throw new CallError(CANCELLED);
      id = this.#next++;
      const result = await this.#send(id, name, params, onProgress);
      this.#remember(name, params);
      return result;
    })();
    return {
      promise,
      cancel: () => {
        cancelled = true;
        if (id !== 0) this.#cancel(id);
      },
    };
  }

  pause(paused: boolean): void {
    this.#worker?.postMessage({ type: "pause", paused });
  }

  #send<N extends CallName>(
    id: number,
    name: N,
    params: Params<N>,
    onProgress?: (progress: Progress) => void,
  ): Promise<Result<N>> {
    return new Promise<Result<N>>((resolve, reject) => {
      this.#pending.set(id, { name, resolve: resolve as (value: never) => void, reject, onProgress });
      this.#running().postMessage({ type: "call", id, name, params });
    });
  }

  async #reopen(name: CallName): Promise<void> {
    if (!this.#cold || name === "openModel" || name === "warm") return;
    this.#cold = false;
    if (this.#provider !== "wasm") await this.#send(this.#next++, "warm", { provider: this.#provider });
    if (this.#model) await this.#send(this.#next++, "openModel", { source: this.#model });
    if (this.#data && name !== "openData") await this.#send(this.#next++, "openData", this.#data);
  }

  #remember(name: CallName, params: unknown): void {
    if (name === "openModel") {
      this.#model = (params as Params<"openModel">).source;
      this.#data = undefined;
      this.#cold = false;
    }
    if (name === "warm") this.#provider = (params as Params<"warm">).provider;
    if (name === "openData") this.#data = params as Params<"openData">;
  }

  #running(): WorkerLike {
    if (this.#worker) return this.#worker;
    const worker = this.start();
    worker.onmessage = ({ data }) => this.#receive(data);
    worker.onerror = ({ message }) => {
      if (worker === this.#worker) this.#end(message ? { ...CRASHED, why: `${CRASHED.why} (${message})` } : CRASHED);
    };
    this.#worker = worker;
    return worker;
  }

  #receive(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    if (!pending) return;
    if (reply.type === "progress") {
      pending.onProgress?.(reply.progress);
      return;
    }
    this.#pending.delete(reply.id);
    if (reply.type === "done") pending.resolve(reply.result as never);
    else pending.reject(new CallError(reply.problem));
  }

  #cancel(id: number): void {
    if (!this.#pending.has(id)) return;
    this.#worker?.postMessage({ type: "cancel", id });
    setTimeout(() => {
      if (this.#pending.has(id)) this.#end(CANCELLED);
    }, GRACE_MS);
  }

  #end(problem: Problem): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#cold = true;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(new CallError(problem));
  }
}
