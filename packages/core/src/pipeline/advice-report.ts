/** Name and version of the report's format. A field is never removed within a major version. */
export const ADVICE_SCHEMA = "equant.advice/1";

/** What a layer loses its signal by. */
export type LossKind =
  /** One output channel sets the range of the weights, or of the output, for all others. */
  | "dominantWeightChannel"
  | "dominantActivationChannel"
  /** The channel that sets the range of the weights carries nothing: its output is always 0. */
  | "deadWideChannel"
  /** The weights for one input channel are lost, because the layer that makes it has that channel much too wide. */
  | "narrowInputChannel"
  /** Channels whose weights all round to zero. */
  | "zeroWeightChannels"
  /** Channels of the output below half a step. */
  | "lostActivationChannels"
  /** A few values far above the others, in no particular channel. */
  | "activationOutlier"
  /** Values beyond the range that was chosen. */
  | "overflow"
  /** Nothing of the above: plain rounding of weights or of the output. */
  | "weights"
  | "activations";

/** What can be done about a loss. */
export type RemedyKind =
  | "equalize"
  | "dead-channels"
  | "dead-channels+equalize"
  | "per-channel"
  | "minmax"
  | "weight-bits"
  | "activation-bits"
  | "float";

/** A remedy that was tried. */
export interface Remedy {
  readonly remedy: RemedyKind;
  /** `network`: an option of the whole quantization; `layer`: for this layer alone. */
  readonly scope: "network" | "layer";
  /** Output SQNR of the whole quantized network with it, in dB (300: no noise). */
  readonly outputDb: number;
  /** `outputDb` less that of the network without any remedy. */
  readonly gainDb: number;
  /** Nodes that are kept in float, for `float`. */
  readonly nodes?: readonly string[];
}

/** One layer, or one value that no layer makes, why it loses signal, and what helps. */
export interface AdviceFinding {
  /** The layer, or the node that makes the value. */
  readonly layer: string;
  readonly opType: string;
  readonly kind: LossKind;
  /** Output channel, where one alone is to blame; the input channel for `narrowInputChannel`. */
  readonly channel: number | null;
  /** The layer whose fault it is, where it is another one's: it stands before this one. */
  readonly cause: string | null;
  /** For people, for example `channel 3 is 100 times as wide as the median one in weights and 98 times in activations`. */
  readonly text: string;
  /** SQNR at the layer with float inputs, in dB. */
  readonly localDb: number;
  /** Output SQNR with this layer alone quantized, in dB: low = culprit. */
  readonly aloneDb: number;
  /** Largest gain first; empty for findings beyond those that remedies were tried for. */
  readonly remedies: readonly Remedy[];
  /** The cheapest remedy that comes close to the best; `null` where nothing helps or nothing was tried. */
  readonly recommended: Remedy | null;
}

/** Result of `advise`. */
export interface AdviceReport {
  readonly schema: typeof ADVICE_SCHEMA;
  readonly samples: number;
  /** Output SQNR with everything quantized, in dB. */
  readonly allDb: number;
  /** The layer that harms the output most first, by itself or by what it causes. */
  readonly findings: readonly AdviceFinding[];
}
