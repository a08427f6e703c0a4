import { ValueHistogram, type ValueHistogramJson } from "../math/index.js";
import type { ChannelStats } from "./channel-stats.js";

/** Sums by channel, from which {@link ChannelStats} follow. Everything merges: min of mins, max of maxes, sums of sums. */
export interface ChannelSums {
  readonly min: Float64Array;
  readonly max: Float64Array;
  /** Undefined where moments were not collected. */
  readonly sum?: Float64Array | undefined;
  readonly sumSquares?: Float64Array | undefined;
  /** Elements a channel. */
  count: number;
}

/**
 * What calibration knows of one value, over all samples seen. Statistics of parts merge exactly in ranges and counts,
 * and to float64 rounding in sums, so memory does not grow with data and batches, workers or machines may be split freely.
 */
export class ValueStatistics {
  /** Range over every element; +Infinity and −Infinity before the first. */
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;
  /** Elements seen. */
  count = 0;
  channels: ChannelSums | undefined;
  histogram: ValueHistogram | undefined;

  /** Adds the statistics of other samples. Channel sums stay only where both sides have them. */
  merge(other: ValueStatistics): void {
    this.min = Math.min(this.min, other.min);
    this.max = Math.max(this.max, other.max);
    this.count += other.count;
    if (this.histogram && other.histogram) this.histogram.merge(other.histogram);
    else this.histogram = undefined;
    this.channels = this.channels && other.channels ? mergeChannels(this.channels, other.channels) : undefined;
  }

  /** Per-channel statistics, when ranges by channel were collected. Moments that were not collected are NaN. */
  channelStats(): ChannelStats | undefined {
    const channels = this.channels;
    if (!channels) return undefined;
    const { min, max, sum, sumSquares, count } = channels;
    const mean = sum ? sum.map((value) => value / count) : min.map(() => Number.NaN);
    const meanSquare = sumSquares ? sumSquares.map((value) => value / count) : min.map(() => Number.NaN);
    return { min, max, mean, meanSquare };
  }

  toJSON(): ValueStatisticsJson {
    const { min, max, count, channels, histogram } = this;
    return {
      min,
      max,
      count,
      ...(channels && {
        channels: {
          count: channels.count,
          min: [...channels.min],
          max: [...channels.max],
          ...(channels.sum && { sum: [...channels.sum] }),
          ...(channels.sumSquares && { sumSquares: [...channels.sumSquares] }),
        },
      }),
      ...(histogram && { histogram: histogram.toJSON() }),
    };
  }

  static fromJSON(json: ValueStatisticsJson): ValueStatistics {
    const statistics = new ValueStatistics();
    statistics.min = json.min;
    statistics.max = json.max;
    statistics.count = json.count;
    if (json.channels) {
      const { count, min, max, sum, sumSquares } = json.channels;
      statistics.channels = {
        count,
        min: Float64Array.from(min),
        max: Float64Array.from(max),
        ...(sum && { sum: Float64Array.from(sum) }),
        ...(sumSquares && { sumSquares: Float64Array.from(sumSquares) }),
      };
    }
    if (json.histogram) statistics.histogram = ValueHistogram.fromJSON(json.histogram);
    return statistics;
  }
}

/** A {@link ValueStatistics} in calibration.json. */
export interface ValueStatisticsJson {
  min: number;
  max: number;
  count: number;
  channels?:
    | {
        count: number;
        min: number[];
        max: number[];
        sum?: number[] | undefined;
        sumSquares?: number[] | undefined;
      }
    | undefined;
  histogram?: ValueHistogramJson | undefined;
}

function mergeChannels(a: ChannelSums, b: ChannelSums): ChannelSums | undefined {
  if (a.min.length !== b.min.length) return undefined;
  const add = (x: Float64Array | undefined, y: Float64Array | undefined) =>
    x && y && x.map((value, i) => value + y[i]!);
  return {
    min: a.min.map((value, i) => Math.min(value, b.min[i]!)),
    max: a.max.map((value, i) => Math.max(value, b.max[i]!)),
    sum: add(a.sum, b.sum),
    sumSquares: add(a.sumSquares, b.sumSquares),
    count: a.count + b.count,
  };
}
