/** Name and version of the report's format. A field is never removed within a major version. */
export const SQNR_SCHEMA = "equant.sqnr/1";

/** Largest magnitude of a dB figure: JSON has no infinity, and 300 dB stands for no noise at all. */
export const DB_LIMIT = 300;

/** Signal-to-noise ratios in dB, −300 … 300, by what is quantized. */
export interface SqnrByKind {
  /** Weights and bias of the layer. */
  readonly weights: number;
  /** Its output, after the fused activation; `null` where that stays float and no noise comes from before. */
  readonly activations: number | null;
  readonly both: number;
}

/** Why a layer loses signal. */
export interface SqnrFinding {
  readonly kind: "zeroWeightChannels" | "lostActivationChannels" | "overflow" | "dominantWeightChannel";
  /** For people, for example "weights: 3/96 channels all zero". */
  readonly text: string;
  /** Share of channels, or of values for `overflow`, 0–1; for the dominant channel its range over the median one. */
  readonly amount: number;
}

/** Per-channel ratios in dB, on request. */
export interface ChannelSqnr {
  readonly weights: readonly number[];
  readonly activations: readonly number[] | null;
  readonly both: readonly number[];
  /** Refined prediction for weights. */
  readonly predictedWeights: readonly number[];
}

/** Everything measured and predicted of one layer. */
export interface LayerSqnr {
  readonly layer: string;
  readonly opType: string;
  /** The value compared: the layer's output after its fused activation, where its encoding lies. */
  readonly value: string;
  /** ΣW²/ΣΔW² with the actual rounding errors; with errors uniform in a step; the same were all channels' extrema equal. */
  readonly weight: { readonly measuredDb: number; readonly uniformDb: number; readonly optimalDb: number };
  /** ΣY²/ΣΔY² with errors uniform in a step, and the same were all channels' extrema equal; `null` without an encoding. */
  readonly activation: { readonly uniformDb: number; readonly optimalDb: number } | null;
  readonly predicted: {
    /** Eqs. (5) and (6): from scales and input powers alone. */
    readonly ranges: SqnrByKind;
    /** Actual rounding errors of the weights, values that lie on the grid, padding: see docs/error-analysis.md. */
    readonly refined: SqnrByKind;
  };
  /** With float inputs: low = culprit. */
  readonly local: SqnrByKind;
  /** Behind the network quantized so far; low where `local` is not = victim. `null` when it was not asked for. */
  readonly cumulative: SqnrByKind | null;
  readonly findings: readonly SqnrFinding[];
  readonly channels?: ChannelSqnr;
}

/** How well predictions agree with measurements, over layers. */
export interface Agreement {
  /** Median and largest |predicted − measured|, in dB. */
  readonly medianErrorDb: number;
  readonly largestErrorDb: number;
  /** Pearson's r of predicted and measured dB; 0 where one of them does not vary. */
  readonly correlation: number;
  readonly layers: number;
}

/** Result of `measureSqnr`. */
export interface SqnrReport {
  readonly schema: typeof SQNR_SCHEMA;
  readonly samples: number;
  /** True when generated random input was used. */
  readonly random: boolean;
  /** In graph order. */
  readonly layers: readonly LayerSqnr[];
  /** Layer names, lowest local ratio first. */
  readonly culprits: readonly { readonly layer: string; readonly localDb: number; readonly kind: string }[];
  /** Layers that lose more from those before them than by themselves, lowest cumulative ratio first. */
  readonly victims: readonly { readonly layer: string; readonly cumulativeDb: number; readonly localDb: number }[];
  readonly agreement: {
    readonly ranges: { readonly weights: Agreement; readonly activations: Agreement };
    readonly refined: { readonly weights: Agreement; readonly activations: Agreement };
  };
  /** Layers that were not measured, and why. */
  readonly skipped: readonly { readonly node: string; readonly opType: string; readonly reason: string }[];
}
