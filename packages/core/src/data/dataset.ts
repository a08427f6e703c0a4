/**
 * Samples for one model input, already preprocessed: what calibration, validation and training read.
 * A dataset is random access, so splits, spreads and shuffles are index lists over it ({@link subset}).
 */
export interface Dataset {
  /** Number of samples. */
  readonly length: number;
  /** Shape of one sample without the batch dimension, for example [3, 224, 224]. */
  readonly shape: readonly number[];
  /** Writes sample `index` (float32, row-major, {@link shape}) into `out` at `offset`. */
  fill(index: number, out: Float32Array, offset: number): Promise<void> | void;
  /** Class index of a sample, when the data is labelled. */
  label?(index: number): number;
  /** What a person calls the sample: a file, or a file and row. */
  id(index: number): string;
  /** Class names by index, when known. */
  readonly classNames?: readonly string[];
  /** True where samples are in memory already: to keep them once more would gain nothing. */
  readonly kept?: boolean;
  /** True for generated random input (`--data random`): results made from it are marked. */
  readonly random?: boolean;
}

/** The samples of `dataset` at `indices`, in that order. Labels, names and marks carry over. */
export function subset(dataset: Dataset, indices: readonly number[]): Dataset {
  const { label, classNames, random, kept } = dataset;
  return {
    length: indices.length,
    shape: dataset.shape,
    fill: (index, out, offset) => dataset.fill(indices[index]!, out, offset),
    id: (index) => dataset.id(indices[index]!),
    ...(label && { label: (index: number) => label.call(dataset, indices[index]!) }),
    ...(classNames && { classNames }),
    ...(random && { random }),
    ...(kept && { kept }),
  };
}
