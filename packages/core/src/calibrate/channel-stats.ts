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
}

/** Channel statistics by value name. */
export type ActivationStats = ReadonlyMap<string, ChannelStats>;
