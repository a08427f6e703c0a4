import { type Batch, type BatchOptions, batches, type Dataset } from "../data/index.js";
import { type Model, requiredInputs, sizeOf } from "../graph/index.js";
import type { HostTensor } from "../runtime/index.js";

/** A batch as a model takes it. */
export interface FedBatch extends Batch {
  /** Samples in `data`, and first of `dims`: those behind `count` are zeros, whose results are not to be looked at. */
  readonly fed: number;
}

/**
 * Samples that every run of a model must have, for models exported without a dynamic axis; undefined where any number
 * will do. A model of several inputs is fed by none of our data: its first one answers.
 */
export function fixedBatchOf(model: Model): number | undefined {
  const batch = requiredInputs(model.graph)[0]?.shape?.[0];
  return typeof batch === "number" && batch > 0 ? batch : undefined;
}

/**
 * {@link batches} for a model: where it insists on a number of samples (`fixed`), every batch has that many, the last one
 * filled up with zeros. What is computed from the first `count` is the same as without.
 */
export async function* modelBatches(
  dataset: Dataset,
  fixed: number | undefined,
  options: BatchOptions = {},
): AsyncGenerator<FedBatch, void, undefined> {
  for await (const batch of batches(dataset, fixed === undefined ? options : { ...options, batchSize: fixed })) {
    const { data, count } = batch;
    const fed = fixed ?? count;
    if (fed === count) yield { ...batch, fed };
    else {
      const whole = new Float32Array((data.length / count) * fed);
      whole.set(data);
      yield { ...batch, data: whole, dims: [fed, ...dataset.shape], fed };
    }
  }
}

/** The first sample as a feed, to observe shapes with; zeros fill it up to the batch the model insists on. */
export async function firstSample(dataset: Dataset, fixed: number | undefined): Promise<HostTensor> {
  const rows = fixed ?? 1;
  const data = new Float32Array(rows * sizeOf(dataset.shape));
  await dataset.fill(0, data, 0);
  return { dtype: "float32", dims: [rows, ...dataset.shape], data };
}

/** The part of a result that belongs to the samples of a batch that count: results are in the order of the samples. */
export function countedPart<T extends { subarray(from: number, to: number): T; readonly length: number }>(
  values: T,
  { fed, count }: Pick<FedBatch, "fed" | "count">,
): T {
  return fed === count ? values : values.subarray(0, (values.length / fed) * count);
}
