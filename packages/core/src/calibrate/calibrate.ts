import { type BatchOptions, batches, type Dataset } from "../data/index.js";
import { OptionsError, RunError, rejectUnknownOptions, throwIfAborted } from "../errors.js";
import { type Model, requiredInputs } from "../graph/index.js";
import { type HostTensor, observeShapes, requireRunner, type TransformContext } from "../runtime/index.js";
import { ValueAccumulator } from "./accumulate.js";
import { Calibration } from "./calibration.js";
import { buildStatisticsGraph, type StatisticsRequest } from "./statistics-graph.js";

/** Options for {@link calibrate}. */
export interface CalibrateOptions {
  /** What to collect for each value. */
  requests: readonly StatisticsRequest[];
  /** Samples a run. Statistics do not depend on it. Default: 8, with histograms 2. */
  batchSize?: number;
}

const KEYS = ["requests", "batchSize"] as const;

/**
 * Runs the model over the dataset once and collects statistics. Reductions run inside the graph; memory does not grow
 * with the number of samples. Cancelling through `context.signal` keeps what was seen: the result is then not `complete`.
 *
 * @throws {OptionsError} E2002 batch size. @throws {RunError} E7001 NaN or Inf, naming value and sample; E6005 cancelled before the first batch.
 */
export async function calibrate(
  model: Model,
  dataset: Dataset,
  options: CalibrateOptions,
  context: TransformContext,
): Promise<Calibration> {
  rejectUnknownOptions("calibrate", options, KEYS);
  const runner = requireRunner(context, "calibrate");
  const histograms = options.requests.some(({ histogram }) => histogram);
  const batchSize = options.batchSize ?? (histograms ? 2 : 8);
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new OptionsError("E2002", `calibrate: invalid batch size ${batchSize}, expected a whole number from 1`, {
      actual: batchSize,
    });
  }
  throwIfAborted(context.signal, "calibrate");
  const input = singleInput(model);
  const probe = new Float32Array(dataset.shape.reduce((product, size) => product * size, 1));
  await dataset.fill(0, probe, 0);
  const feed: HostTensor = { dtype: "float32", dims: [1, ...dataset.shape], data: probe };
  const shapes = await observeShapes(runner, model, { [input]: feed });
  const { model: graph, outputs } = buildStatisticsGraph(model, shapes, options.requests);
  const accumulators = outputs.map((output) => new ValueAccumulator(output, (sample) => dataset.id(sample)));
  let samples = 0;
  await runner.using(
    graph,
    async (session) => {
      const batching: BatchOptions = { batchSize, signal: context.signal };
      try {
        for await (const batch of batches(dataset, batching)) {
          const fetched = await session.run({ [input]: { dtype: "float32", dims: batch.dims, data: batch.data } });
          for (const accumulator of accumulators) accumulator.add(fetched, batch.count, batch.firstIndex);
          samples += batch.count;
          context.onProgress?.({ phase: "calibrate", done: samples, total: dataset.length });
        }
      } catch (error) {
        const cancelled = error instanceof RunError && error.code === "E6005";
        if (!cancelled || samples === 0) throw error;
      }
    },
    { purpose: "calibrate" },
  );
  return Calibration.collected({
    values: new Map(accumulators.map(({ outputs: { request }, statistics }) => [request.value, statistics])),
    samples,
    complete: samples === dataset.length,
    random: dataset.random === true,
    lastWidening: accumulators.map(({ lastWidening }) => lastWidening),
  });
}

/** The model's only input. @throws {RunError} when it has several, which images cannot feed. */
export function singleInput(model: Model): string {
  const inputs = requiredInputs(model.graph);
  if (inputs.length !== 1) {
    const names = inputs.map(({ name }) => name).join(", ");
    throw new RunError("E4001", `model: ${inputs.length} inputs (${names}), expected one`, { actual: inputs.length });
  }
  return inputs[0]!.name;
}
