import { OptionsError, RunError, rejectUnknownOptions, throwIfAborted } from "../errors.js";
import type { Model } from "../graph/index.js";
import {
  Feed,
  forEachBatch,
  type ObservedType,
  observeShapes,
  type Runner,
  requireData,
  requireRunner,
  type Session,
  type TransformContext,
} from "../runtime/index.js";
import { ValueAccumulator } from "./accumulate.js";
import { Calibration } from "./calibration.js";
import { buildStatisticsGraph, channelAxis, type StatisticsRequest } from "./statistics-graph.js";

/** Options for {@link calibrate}. */
export interface CalibrateOptions {
  /** What to collect for each value. */
  requests: readonly StatisticsRequest[];
  /** Samples a run. Statistics do not depend on it. Default: by the size of the values, see {@link VALUES_A_RUN}. */
  batchSize?: number;
  /** Type and sizes of the model's values at one sample, where they are known. Default: seen by a run of the first sample. */
  shapes?: ReadonlyMap<string, ObservedType>;
  /** Called after every batch with the statistics so far, for a live picture; they go on changing. */
  onBatch?: (soFar: Calibration) => void;
}

/**
 * Elements of all requested values together that a run should have, and the most samples. Above it, runs are bound by memory:
 * the first ones pay for fresh pages, and histograms read what no longer lies in a cache. Measured on MobileNetV1 (3.9 M
 * elements a sample), one thread, processor time as multiples of plain inference: histograms by 1, 2, 4, 8 samples
 * 2.9, 2.8, 3.0, 3.3; maxima 1.14, 1.14, 1.26, 1.15, where the first two runs of 8 took twice the time of the others.
 */
const VALUES_A_RUN = { most: 8e6, samples: 32 } as const;

const KEYS = ["requests", "batchSize", "shapes", "onBatch"] as const;

/**
 * Runs the model over `context.data` once and collects statistics. Reductions run inside the graph; memory does not grow
 * with the number of samples. Cancelling through `context.signal` keeps what was seen: the result is then not `complete`.
 *
 * @throws {OptionsError} E2002 batch size. @throws {DataError} E5003 samples that are no input of this model. @throws {RunError} E7001 NaN or Inf, naming value and sample; E6005 cancelled before the first batch.
 */
export async function calibrate(
  model: Model,
  options: CalibrateOptions,
  context: TransformContext,
): Promise<Calibration> {
  const dataset = requireData(context, "calibrate");
  rejectUnknownOptions("calibrate", options, KEYS);
  const runner = requireRunner(context, "calibrate");
  const { requests, batchSize: wanted } = options;
  if (wanted !== undefined && !(Number.isInteger(wanted) && wanted >= 1)) {
    throw new OptionsError("E2002", `calibrate: invalid batch size ${wanted}, expected a whole number from 1`, {
      actual: wanted,
    });
  }
  throwIfAborted(context.signal, "calibrate");
  const feed = await Feed.of(model, dataset, context);
  const known = requests.every(({ value }) => options.shapes?.has(value)) ? options.shapes : undefined;
  const shapes = known ?? (await observeShapes(model, await feed.first(), { runner }));
  const { model: graph, outputs } = buildStatisticsGraph(
    model,
    shapes,
    requests,
    feed.fixed,
    await varyingChannels(runner, model, feed, shapes, requests),
  );
  const batchSize = wanted ?? fittingBatch(shapes, requests);
  const accumulators = outputs.map((output) => new ValueAccumulator(output, (sample) => dataset.id(sample)));
  let samples = 0;
  const collected = () =>
    Calibration.collected({
      values: new Map(accumulators.map(({ outputs: { request }, statistics }) => [request.value, statistics])),
      samples,
      complete: samples === dataset.length || outputs.length === 0,
      random: dataset.random === true,
      lastWidening: accumulators.map(({ lastWidening }) => lastWidening),
    });
  const collect = (session: Session) =>
    forEachBatch(session, feed, { batchSize }, context, (fetched, { count, fed, firstIndex }) => {
      for (const accumulator of accumulators) accumulator.add(fetched, { fed, count, first: firstIndex });
      samples += count;
      context.onProgress?.({ phase: "calibrate", done: samples, total: dataset.length });
      options.onBatch?.(collected());
    });
  try {
    // While histograms are counted ONNX Runtime's threads have nothing to do; spinning would take a fifth of the processor time.
    if (outputs.length > 0) await runner.using(graph, collect, { purpose: "calibrate", spinning: false });
  } catch (error) {
    const cancelled = error instanceof RunError && error.code === "E6005";
    if (!cancelled || samples === 0) throw error;
  }
  return collected();
}

/** Values whose axis of channels differs from sample to sample (time, tokens): it is none of channels. */
async function varyingChannels(
  runner: Runner,
  model: Model,
  feed: Feed,
  shapes: ReadonlyMap<string, ObservedType>,
  requests: readonly StatisticsRequest[],
): Promise<ReadonlySet<string>> {
  const other = await feed.other();
  if (!other) return new Set();
  const others = await observeShapes(model, other, { runner });
  const differs = ({ value, axis }: StatisticsRequest) => {
    const dims = shapes.get(value)?.dims ?? [];
    const own = others.get(value)?.dims ?? dims;
    const along = axis ?? channelAxis(dims);
    return own.length !== dims.length || own[along] !== dims[along];
  };
  return new Set(requests.filter(differs).map(({ value }) => value));
}

function fittingBatch(shapes: ReadonlyMap<string, ObservedType>, requests: readonly StatisticsRequest[]): number {
  const sizes = requests.map(({ value }) => shapes.get(value)?.dims.reduce((product, dim) => product * dim, 1) ?? 0);
  const total = sizes.reduce((sum, size) => sum + size, 1);
  return Math.max(1, Math.min(VALUES_A_RUN.samples, Math.floor(VALUES_A_RUN.most / total)));
}
