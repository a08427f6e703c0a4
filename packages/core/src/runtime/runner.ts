import type { Env, InferenceSession, InferenceSessionFactory, TensorConstructor } from "onnxruntime-common";
import { ModelError, RunError, throwIfAborted } from "../errors.js";
import { type DType, type HostTensor, type Model, sizeOf, type TypedArray } from "../graph/index.js";
import { demandOf } from "./demand.js";
import { loadError } from "./load-error.js";
import { sessionSource } from "./session-source.js";
import type { Sweep, SweptBatch } from "./sweep.js";
import { silenceTelemetry } from "./telemetry.js";

export type { HostTensor } from "../graph/index.js";

/** What equant needs of ONNX Runtime: onnxruntime-node and onnxruntime-web both are one. */
export interface OrtModule {
  readonly InferenceSession: InferenceSessionFactory;
  readonly Tensor: TensorConstructor;
  readonly env: Env;
}

export interface RunnerOptions {
  /** Threads inside an operator. Default: ONNX Runtime's choice, the number of physical cores. */
  threads?: number;
  /** Execution providers in order of preference. Default: `['cpu']` in Node, `['wasm']` in the browser. */
  providers?: readonly string[];
  /**
   * Bytes of weights up to which a model is handed over as one file; beyond, the weights follow one by one.
   * Default: 1.5 GiB, below the 2 GiB at which such a file ends.
   */
  maxEmbeddedBytes?: number;
  /**
   * Bytes that one value of a model may take. What sizes in the file ask beyond it is refused before anything is
   * allocated or run. Default: no limit.
   */
  maxValueBytes?: number;
}

export interface SessionOptions {
  /**
   * Graph optimizations. `disabled` executes the graph literally, which emulation and error analysis need:
   * from `basic` on, ONNX Runtime quantizes float weights between Q/DQ nodes by itself. Default: `'all'`.
   */
  optimization?: "all" | "basic" | "disabled";
  /** Names of single optimizers to switch off, for example `WeightBiasQuantization`. */
  disabledOptimizers?: readonly string[];
  /** What the run is for, used in error messages. Default: `'run'`. */
  purpose?: string;
  /**
   * False: waiting threads sleep instead of spinning, so that sessions open at the same time do not slow each other.
   * Default: ONNX Runtime's choice, true.
   */
  spinning?: boolean;
  /** Node only: where ONNX Runtime writes the graph it will execute. */
  optimizedModelPath?: string;
}

/** Options of {@link Session.run}. */
export interface RunOptions {
  /** Names of the outputs wanted. Default: all. */
  readonly fetches?: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** An open model. Runs are queued one behind the other; a rejected run does not stop those behind it. */
export interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** Runs the model. `fetches` limits the outputs. @throws {RunError} E6004 when ONNX Runtime fails, E6005 when cancelled. */
  run(feeds: Readonly<Record<string, HostTensor>>, options?: RunOptions): Promise<Record<string, HostTensor>>;
  /**
   * Runs the model over samples that others can open as well, wherever it is done; the batches come back in order, as from here.
   * Undefined for data that only this process has. Sessions that do everything themselves have no sweep.
   */
  sweep?(sweep: Sweep, signal?: AbortSignal): AsyncIterable<SweptBatch> | undefined;
  /** Releases memory and threads, after the runs in the queue. Idle sessions' threads spin: dispose early. */
  dispose(): Promise<void>;
}

/** The only executor: opens models in ONNX Runtime. */
export interface Runner {
  readonly backend: "node" | "web";
  /** Version of ONNX Runtime, where it says it. */
  readonly version?: string | undefined;
  readonly options: RunnerOptions;
  /**
   * @throws {RunError} E4001 an operator that ONNX Runtime does not have; E6001 a value larger than
   * {@link RunnerOptions.maxValueBytes}; E6003 it rejects the model otherwise.
   */
  open(model: Model | Uint8Array, options?: SessionOptions): Promise<Session>;
  /** Opens, calls `use`, and always disposes. */
  using<T>(model: Model | Uint8Array, use: (session: Session) => Promise<T>, options?: SessionOptions): Promise<T>;
}

/**
 * Makes a runner of an ONNX Runtime module, which the caller imports: core depends on neither runtime. In Node it switches
 * ONNX Runtime's telemetry off first, unless the environment variable ORT_DISABLE_TELEMETRY says otherwise.
 * @throws {RunError} E6007 telemetry that cannot be switched off any more: a session was opened before, or this is a worker.
 * @example const runner = createRunner(await import("onnxruntime-node"), { threads: 2 });
 */
export function createRunner(ort: OrtModule, options: RunnerOptions = {}): Runner {
  const backend = ort.env.versions.node === undefined ? "web" : "node";
  if (backend === "node") silenceTelemetry();
  const runner: Runner = {
    backend,
    version: ort.env.versions.node ?? ort.env.versions.web,
    options,
    open: (model, sessionOptions = {}) => openSession(ort, backend, options, model, sessionOptions),
    using: async (model, use, sessionOptions) => disposeAfter(await runner.open(model, sessionOptions), use),
  };
  return runner;
}

/** Disposes of a session when it was used, however that ended. */
export async function disposeAfter<T>(session: Session, use: (session: Session) => Promise<T>): Promise<T> {
  try {
    return await use(session);
  } finally {
    await session.dispose();
  }
}

async function openSession(
  ort: OrtModule,
  backend: "node" | "web",
  runnerOptions: RunnerOptions,
  model: Model | Uint8Array,
  options: SessionOptions,
): Promise<Session> {
  const purpose = options.purpose ?? "run";
  const requireSizes = sizeCheck(model, purpose, runnerOptions.maxValueBytes);
  requireSizes();
  const { bytes, externalData } = sessionSource(model, runnerOptions.maxEmbeddedBytes);
  const disabled = options.disabledOptimizers ?? [];
  const extra = {
    ...(disabled.length > 0 && { optimization: { disable_specified_optimizers: disabled.join(";") } }),
    ...(options.spinning === false && { session: { intra_op: { allow_spinning: "0" } } }),
  };
  let native: InferenceSession;
  try {
    native = await ort.InferenceSession.create(bytes, {
      executionProviders: [...(runnerOptions.providers ?? [backend === "node" ? "cpu" : "wasm"])],
      graphOptimizationLevel: options.optimization ?? "all",
      logSeverityLevel: 4,
      ...(runnerOptions.threads !== undefined && { intraOpNumThreads: runnerOptions.threads }),
      ...(externalData.length > 0 && { externalData }),
      ...(options.optimizedModelPath !== undefined && { optimizedModelFilePath: options.optimizedModelPath }),
      ...(Object.keys(extra).length > 0 && { extra }),
    });
  } catch (error) {
    throw loadError(purpose, messageOf(error), error);
  }
  return wrapSession(ort, native, purpose, requireSizes);
}

type Feeds = Readonly<Record<string, HostTensor>>;

/** Refuses runs whose values would be too large: those that the model declares, or those that come of what it is fed. */
function sizeCheck(model: Model | Uint8Array, purpose: string, limit: number | undefined): (feeds?: Feeds) => void {
  if (limit === undefined || model instanceof Uint8Array) return () => undefined;
  const { graph } = model;
  let checked = "";
  return (feeds) => {
    const sizes = feeds && Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, dims]));
    const key = JSON.stringify(sizes ?? "");
    if (key === checked) return;
    const { bytes, value } = demandOf(graph, sizes);
    checked = key;
    if (bytes <= limit) return;
    const [needed, allowed] = [bytes, limit].map((count) => `${(count / 1e9).toPrecision(3)} GB`);
    throw new RunError(
      "E6001",
      `${purpose}: value "${value}" takes ${needed} by the sizes in the file, ${allowed} allowed`,
      {
        tensor: value,
        actual: bytes,
        expected: limit,
        hint: "use a smaller --batch where it comes of that; else check the shapes, pads and scales in the model; --max-memory says what is allowed",
      },
    );
  };
}

function wrapSession(
  ort: OrtModule,
  native: InferenceSession,
  purpose: string,
  requireSizes: (feeds: Feeds) => void,
): Session {
  // Tensors are fed and fetched as properties of plain objects, in ONNX Runtime too, and this is none.
  if ([...native.inputNames, ...native.outputNames].includes("__proto__")) {
    const details = { tensor: "__proto__", hint: "give the value another name" };
    throw new ModelError("E3003", `${purpose}: an input or output is called "__proto__"`, details);
  }
  let tail: Promise<unknown> = Promise.resolve();
  const enqueue = <T>(task: () => Promise<T>): Promise<T> => {
    const result = tail.then(task);
    // The queue goes on after a rejection; the rejection itself goes to the caller.
    tail = result.catch(() => undefined);
    return result;
  };
  return {
    inputNames: native.inputNames,
    outputNames: native.outputNames,
    run: (feeds, options = {}) =>
      enqueue(async () => {
        throwIfAborted(options.signal, purpose);
        requireSizes(feeds);
        try {
          const inputs: Record<string, InstanceType<TensorConstructor>> = {};
          for (const [name, tensor] of Object.entries(feeds)) inputs[name] = toOrt(ort, tensor);
          const fetched = options.fetches ? await native.run(inputs, options.fetches) : await native.run(inputs);
          return fromOrt(fetched);
        } catch (error) {
          throw new RunError("E6004", `${purpose}: ONNX Runtime failed (${messageOf(error)})`, {}, error);
        }
      }),
    dispose: () => enqueue(() => native.release()),
  };
}

function toOrt(ort: OrtModule, tensor: HostTensor): InstanceType<TensorConstructor> {
  if (tensor.data.length !== sizeOf(tensor.dims)) {
    throw new Error(`${tensor.data.length} values fed for shape [${tensor.dims.join(", ")}]`);
  }
  const Constructor = ort.Tensor as unknown as new (type: string, data: unknown, dims: readonly number[]) => never;
  return new Constructor(tensor.dtype, tensor.data, tensor.dims);
}

function fromOrt(values: InferenceSession.OnnxValueMapType): Record<string, HostTensor> {
  const result: Record<string, HostTensor> = {};
  for (const [name, value] of Object.entries(values)) {
    const { type, dims, data } = value as unknown as { type: string; dims: readonly number[]; data: TypedArray };
    result[name] = { dtype: type as DType, dims, data };
  }
  return result;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
