import type { Dataset } from "../data/index.js";
import { DataError, PreconditionError } from "../errors.js";
import type { Model } from "../graph/index.js";
import type { Runner } from "./runner.js";

/** Progress of a phase: `done` of `total` units (images, layers, steps). */
export interface ProgressEvent {
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  /** What is known by now: the point of a curve that grows while the step runs. Shares are 0–1. */
  readonly values?: Readonly<Record<string, number>>;
}

/** What a step may use besides the model. */
export interface TransformContext {
  /** Needed by steps that compute on tensors; weights-only steps do without. */
  readonly runner?: Runner | undefined;
  /** Samples, for steps and measures that read some. */
  readonly data?: Dataset | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((event: ProgressEvent) => void) | undefined;
}

/** A node a step left alone, and why. */
export interface Skip {
  readonly node: string;
  readonly opType: string;
  readonly reason: string;
}

/** What every transform returns at least. */
export interface TransformReport {
  readonly transform: string;
  /** False when the model is exactly as before. */
  readonly modified: boolean;
  readonly skipped: readonly Skip[];
}

/** Changes a model in place and returns a report. A throw leaves the model as it was. */
export type Transform<R extends TransformReport = TransformReport> = (
  model: Model,
  context: TransformContext,
) => R | Promise<R>;

/**
 * Applies transforms in order, in place, and returns their reports.
 * @example const [folded] = await transform(model, [fold(), equalize(), quantize()], { runner, data });
 */
export async function transform<const T extends readonly Transform[]>(
  model: Model,
  transforms: T,
  context: TransformContext = {},
): Promise<{ -readonly [K in keyof T]: Awaited<ReturnType<T[K]>> }> {
  const reports: TransformReport[] = [];
  for (const apply of transforms) reports.push(await apply(model, context));
  return reports as { -readonly [K in keyof T]: Awaited<ReturnType<T[K]>> };
}

/** The context's runner. @throws {PreconditionError} E4005 when the caller gave none. */
export function requireRunner(context: TransformContext, transform: string): Runner {
  if (!context.runner) {
    throw new PreconditionError("E4005", `${transform}: needs a runner`, {
      hint: "pass { runner: createRunner(ort) } as context, where ort is onnxruntime-node or onnxruntime-web",
    });
  }
  return context.runner;
}

/** The same context for work that is short enough to be finished after a cancellation, so that what there is is kept. */
export function uncancelled({ signal: _, ...context }: TransformContext): TransformContext {
  return context;
}

/** The context's samples. @throws {DataError} E5001 when the caller gave none. */
export function requireData(context: TransformContext, transform: string): Dataset {
  if (context.data) return context.data;
  throw new DataError("E5001", `${transform}: needs samples`, {
    hint: "pass { data } in the context: openFiles, digitDataset and randomDataset make datasets",
  });
}
