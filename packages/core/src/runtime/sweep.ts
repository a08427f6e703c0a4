import type { HostTensor, SignatureInput } from "../graph/index.js";

/** A run of a network over samples that others can open too: all that whoever does it must know. */
export interface Sweep {
  /** Identity of the data the samples are of: `Dataset.source`. */
  readonly source: string;
  /** Where the samples lie in it, in their order. */
  readonly indices: readonly number[];
  /** What the samples are fed as. */
  readonly inputs: readonly SignatureInput[];
  /** Samples that every run must have; undefined where any number will do. */
  readonly fixed?: number | undefined;
  readonly batchSize: number;
  /** Names of the outputs wanted. Default: all. */
  readonly fetches?: readonly string[] | undefined;
  /** What is fed besides the samples, the same for all of them. */
  readonly constants?: Readonly<Record<string, HostTensor>> | undefined;
}

/** What one run gave. */
export interface SweptBatch {
  readonly results: Record<string, HostTensor>;
  /** Samples that count. */
  readonly count: number;
  /** Samples fed. */
  readonly fed: number;
  /** Place of the first of them in `Sweep.indices`. */
  readonly firstIndex: number;
}
