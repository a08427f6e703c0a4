import type { DType } from "../graph/index.js";
import type { LayerRange, WeightRanges } from "./weight-ranges.js";

/**
 * What becomes of a node when the model is quantized for onnxruntime: `yes` it runs on integers, `folds` it goes into
 * its neighbour or away, `no` it stays float, `done` it is integer already; `partly` (operators only): some of them.
 */
export type QuantizableState = "yes" | "folds" | "no" | "done" | "partly";

export type FindingKind =
  | "invalid"
  | "nonFinite"
  | "halfPrecision"
  | "quantized"
  | "oldOpset"
  | "batchNorms"
  | "rangeSpread"
  | "deadChannels"
  | "boundedRelu"
  | "externalData"
  | "openSizes"
  | "noSizes";

/** Something worth knowing before the model is compressed. */
export interface Finding {
  readonly kind: FindingKind;
  /** One line for a person. */
  readonly message: string;
  /** How many places it is about. */
  readonly count: number;
  /** Names of nodes, tensors or inputs it is about. */
  readonly names: readonly string[];
}

export interface InspectOptions {
  /**
   * Type and sizes of every value, as `observeShapes` finds them; run at batch 1 for figures per sample. Without them
   * the shapes declared in the file are used, open batch sizes as 1.
   */
  shapes?: ReadonlyMap<string, { readonly dtype?: DType; readonly dims: readonly number[] }>;
  /** Bytes of the file with its external data. Default: bytes of the weights. */
  bytes?: number;
  /** Ranges of this model's weights, where they are known already. Default: {@link weightRanges} of it. */
  ranges?: WeightRanges;
}

/** An input or output of the model; `null` is what the file does not say, a name an open size. */
export interface InspectedValue {
  readonly name: string;
  readonly dtype: string | null;
  readonly shape: readonly (number | string | null)[] | null;
}

export interface InspectedNode {
  /** The node's name, or operator and first output where it has none: what `--exclude` and `--layer` take. */
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly parameters: number;
  /** Bytes of the parameters and of the statistics beside them. */
  readonly bytes: number;
  /** `null` when the sizes are not known. */
  readonly macs: number | null;
  readonly outputShape: readonly number[] | null;
  readonly quantizable: QuantizableState;
  /** Why it is not quantizable, or what becomes of it. */
  readonly reason: string | null;
}

/** All nodes of one operator. Depthwise convolutions are counted apart, as `DepthwiseConv`. */
export interface InspectedOperator {
  readonly opType: string;
  readonly count: number;
  readonly parameters: number;
  readonly macs: number | null;
  readonly bytes: number;
  readonly quantizable: QuantizableState;
}

export interface InspectReport {
  /** Of the standard domain; null where the model does not use it. */
  readonly opset: number | null;
  readonly opsets: Readonly<Record<string, number>>;
  readonly irVersion: number;
  readonly producer: string;
  readonly inputs: readonly InspectedValue[];
  readonly outputs: readonly InspectedValue[];
  /** True when it holds QuantizeLinear, DequantizeLinear or integer kernels. */
  readonly quantized: boolean;
  /** What training changes; with the running statistics of BatchNormalization in the second. */
  readonly parameters: number;
  readonly parametersWithStatistics: number;
  /** Multiply–accumulate operations of one run; null when no sizes are known. See `macsOf` for the formulas. */
  readonly macs: number | null;
  readonly bytes: number;
  readonly weightBytes: number;
  readonly operators: readonly InspectedOperator[];
  /** In graph order, subgraphs included behind the node that holds them. */
  readonly nodes: readonly InspectedNode[];
  readonly weights: readonly LayerRange[];
  readonly findings: readonly Finding[];
}
