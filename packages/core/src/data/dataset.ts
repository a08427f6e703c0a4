import type { HostTensor } from "../graph/index.js";
import type { ImagePlacement } from "./framing.js";
import type { SampleTruth } from "./truth.js";

/**
 * All that a network takes for one sample, by input name, with the batch dimension (of 1) where the input has one. A tensor that is the
 * same object in every sample is a constant.
 */
export type Sample = Readonly<Record<string, HostTensor>>;

/** Data that another process can open again, and find the same samples in the same order. */
export interface DataSource {
  /** Identity of the samples: what is equal here is equal there. */
  readonly id: string;
  /** Index there of a sample of this dataset. */
  at(index: number): number;
}

/**
 * Samples of a network, already preprocessed: what calibration, validation and training read.
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
  /**
   * The sample whole, for networks that take more than one float32 tensor of a fixed size: several inputs, integers, sizes that differ
   * from sample to sample, no batch dimension. Where it exists, {@link shape} is that of the first sample's first input, and
   * {@link fill} is not called.
   */
  record?(index: number): Promise<Sample> | Sample;
  /** Where a sample's image lies in the input, so that what is found there can be said in the image's own pixels. */
  placement?(index: number): Promise<ImagePlacement>;
  /** What is in a sample, for tasks whose labels are more than a class. */
  truth?(index: number): Promise<SampleTruth>;
  /** The data these samples are of: how they are fed is found out once for all subsets. Default: the dataset itself. */
  readonly origin?: object;
  /** Where these samples can be opened by others; undefined where only this process has them. */
  readonly source?: DataSource | undefined;
  /** What goes on from one sample to the next: those of a file, whose states follow each other. */
  sequence?(index: number): string;
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
  const { label, record, placement, truth, sequence, classNames, random, kept, source } = dataset;
  return {
    length: indices.length,
    shape: dataset.shape,
    fill: (index, out, offset) => dataset.fill(indices[index]!, out, offset),
    id: (index) => dataset.id(indices[index]!),
    origin: dataset.origin ?? dataset,
    ...(record && { record: (index: number) => record.call(dataset, indices[index]!) }),
    ...(label && { label: (index: number) => label.call(dataset, indices[index]!) }),
    ...(placement && { placement: (index: number) => placement.call(dataset, indices[index]!) }),
    ...(truth && { truth: (index: number) => truth.call(dataset, indices[index]!) }),
    ...(sequence && { sequence: (index: number) => sequence.call(dataset, indices[index]!) }),
    ...(classNames && { classNames }),
    ...(random && { random }),
    ...(kept && { kept }),
    ...(source && { source: { id: source.id, at: (index: number) => source.at(indices[index]!) } }),
  };
}
