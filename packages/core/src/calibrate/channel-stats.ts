/**
 * Statistics of one value by channel (along `axis`), over all calibration samples and positions. Lengths are the number of channels. What equalization, dead channels and noise prediction read.
 */
export interface ChannelStats {
  /** The axis of the channels. Default: axis 1; the last axis for values of rank 2 or less. */
  readonly axis?: number;
  readonly min: ArrayLike<number>;
  readonly max: ArrayLike<number>;
  /** E[x] and E[x²] over samples and positions. */
  readonly mean: ArrayLike<number>;
  readonly meanSquare: ArrayLike<number>;
  /** Scales of the tails at both ends, see `tailScale`, where they were collected. */
  readonly tail?: ChannelTail;
  /** Extremes of single samples, where they were collected: the range that a run has, where ranges are found run by run. */
  readonly run?: RunExtremes;
}

/** By channel, how far elements of unseen samples typically lie beyond the extremes of the seen ones. */
export interface ChannelTail {
  readonly high: ArrayLike<number>;
  readonly low: ArrayLike<number>;
  /** Elements seen of each channel. */
  readonly elements: number;
}

/** By channel, the root mean square over samples of the highest value (at least 0) and of the lowest (at most 0), as magnitudes. */
export interface RunExtremes {
  readonly high: ArrayLike<number>;
  readonly low: ArrayLike<number>;
}

/** Channel statistics by value name. */
export type ActivationStats = ReadonlyMap<string, ChannelStats>;
