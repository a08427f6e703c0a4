import { problemOf } from "../problem.js";
import type { CallName, Params, Reply, Request } from "../protocol.js";
import type { Engine } from "./engine.js";
import { Gate } from "./gate.js";
import { thinProgress } from "./thin-progress.js";

/** What of the worker's global scope is used; the page's types are another library. */
interface Scope {
  onmessage: ((event: MessageEvent<Request>) => void) | null;
  postMessage(message: Reply, transfer?: Transferable[]): void;
}
const scope = globalThis as unknown as Scope;

const gate = new Gate();
const running = new Map<number, AbortController>();
let loading: Promise<Engine> | undefined;
/** One call after the other: ONNX Runtime's sessions share the threads. */
let tail: Promise<unknown> = Promise.resolve();

/** The engine brings the core with it, so it is loaded with the first call. */
function engine(): Promise<Engine> {
  loading ??= import("./engine.js").then(({ Engine }) => new Engine(gate));
  return loading;
}

async function call(id: number, name: CallName, params: unknown): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  const onProgress = thinProgress((progress) => scope.postMessage({ type: "progress", id, progress }));
  try {
    const ready = await engine();
    controller.signal.throwIfAborted();
    const { result, transfer } = await ready.call(name, params as Params<CallName>, {
      signal: controller.signal,
      onProgress,
    });
    scope.postMessage({ type: "done", id, result }, transfer);
  } catch (error) {
    const aborted = controller.signal.aborted && error === controller.signal.reason;
    const problem = aborted
      ? { code: "E6005" as const, what: "Aborted.", where: name, why: "Cancelled.", now: "Run it again when you like." }
      : problemOf(error);
    scope.postMessage({ type: "failed", id, problem });
  } finally {
    running.delete(id);
  }
}

scope.onmessage = ({ data }) => {
  if (data.type === "call") tail = tail.then(() => call(data.id, data.name, data.params));
  else if (data.type === "pause") gate.set(data.paused);
  else {
    gate.set(false);
    running.get(data.id)?.abort();
  }
};
