/**
 * Statistics of one value by channel (axis 1; the last axis for values of rank 2 or less), over all calibration samples
 * and positions. Lengths are the number of channels. What equalization, dead channels and noise prediction read.
 */
export interface ChannelStats {
  readonly min: ArrayLike<number>;
  readonly max: ArrayLike<number>;
  /** E[x] and E[x²] over samples and positions. */
  readonly mean: ArrayLike<number>;
  readonly meanSquare: ArrayLike<number>;
  /** Scales of the tails at both ends, see `tailScale`, where they were collected. */
  readonly tail?: ChannelTail;
}

/** By channel, how far elements of unseen samples typically lie beyond the extremes of the seen ones. */
export interface ChannelTail {
  readonly high: ArrayLike<number>;
  readonly low: ArrayLike<number>;
  /** Elements seen of each channel. */
  readonly elements: number;
}

/** Channel statistics by value name. */
export type ActivationStats = ReadonlyMap<string, ChannelStats>;
