import { tailScale, ValueHistogram, type ValueHistogramJson } from "../math/index.js";
import type { ChannelStats, ChannelTail, RunExtremes } from "./channel-stats.js";

/** Sums by channel, from which {@link ChannelStats} follow. Everything merges: min of mins, max of maxes, sums of sums. */
export interface ChannelSums {
  readonly min: Float64Array;
  readonly max: Float64Array;
  /** Undefined where moments were not collected. */
  readonly sum?: Float64Array | undefined;
  readonly sumSquares?: Float64Array | undefined;
  /** Undefined where tails were not collected. */
  readonly tail?: TailSums | undefined;
  /** Elements a channel. */
  count: number;
  /** The axis of the channels, where it is another than `channelAxis`. */
  readonly axis?: number | undefined;
}

/** Sums by channel over the extremes of single samples. */
export interface TailSums {
  /** Samples, or rows where a sample has several. */
  rows: number;
  readonly high: Float64Array;
  readonly highSquares: Float64Array;
  readonly low: Float64Array;
  readonly lowSquares: Float64Array;
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
    const { min, max, sum, sumSquares, count, tail, axis } = channels;
    const mean = sum ? sum.map((value) => value / count) : min.map(() => Number.NaN);
    const meanSquare = sumSquares ? sumSquares.map((value) => value / count) : min.map(() => Number.NaN);
    const extremes = tail && { tail: tailOf(tail, count), run: runOf(tail) };
    return { min, max, mean, meanSquare, ...extremes, ...(axis !== undefined && { axis }) };
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
          ...(channels.tail && { tail: tailJson(channels.tail) }),
          ...(channels.axis !== undefined && { axis: channels.axis }),
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
      const { count, min, max, sum, sumSquares, tail, axis } = json.channels;
      statistics.channels = {
        count,
        min: Float64Array.from(min),
        max: Float64Array.from(max),
        ...(sum && { sum: Float64Array.from(sum) }),
        ...(sumSquares && { sumSquares: Float64Array.from(sumSquares) }),
        ...(tail && { tail: tailSums(tail) }),
        ...(axis !== undefined && { axis }),
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
        tail?: TailJson | undefined;
        axis?: number | undefined;
      }
    | undefined;
  histogram?: ValueHistogramJson | undefined;
}

function mergeChannels(a: ChannelSums, b: ChannelSums): ChannelSums | undefined {
  if (a.min.length !== b.min.length || a.axis !== b.axis) return undefined;
  const add = (x: Float64Array | undefined, y: Float64Array | undefined) =>
    x && y && x.map((value, i) => value + y[i]!);
  return {
    min: a.min.map((value, i) => Math.min(value, b.min[i]!)),
    max: a.max.map((value, i) => Math.max(value, b.max[i]!)),
    sum: add(a.sum, b.sum),
    sumSquares: add(a.sumSquares, b.sumSquares),
    tail: a.tail && b.tail && mergeTails(a.tail, b.tail),
    count: a.count + b.count,
    axis: a.axis,
  };
}

/** {@link TailSums} in calibration.json. */
export interface TailJson {
  rows: number;
  high: number[];
  highSquares: number[];
  low: number[];
  lowSquares: number[];
}

/** Sums over no sample. */
export function emptyTail(channels: number): TailSums {
  const zeros = () => new Float64Array(channels);
  return { rows: 0, high: zeros(), highSquares: zeros(), low: zeros(), lowSquares: zeros() };
}

function tailOf({ rows, high, highSquares, low, lowSquares }: TailSums, elements: number): ChannelTail {
  return {
    high: high.map((sum, c) => tailScale(rows, sum, highSquares[c]!)),
    low: low.map((sum, c) => tailScale(rows, sum, lowSquares[c]!)),
    elements,
  };
}

/** Sums of squares count samples whose extreme lies on the other side of 0 too: what is meant is almost always the same. */
function runOf({ rows, high, highSquares, low, lowSquares }: TailSums): RunExtremes {
  const root = (squares: Float64Array, sums: Float64Array, sign: 1 | -1) =>
    squares.map((square, c) => (sign * sums[c]! > 0 ? Math.sqrt(square / rows) : 0));
  return { high: root(highSquares, high, 1), low: root(lowSquares, low, -1) };
}

function tailJson({ rows, high, highSquares, low, lowSquares }: TailSums): TailJson {
  return { rows, high: [...high], highSquares: [...highSquares], low: [...low], lowSquares: [...lowSquares] };
}

function tailSums({ rows, high, highSquares, low, lowSquares }: TailJson): TailSums {
  const list = (values: number[]) => Float64Array.from(values);
  return {
    rows,
    high: list(high),
    highSquares: list(highSquares),
    low: list(low),
    lowSquares: list(lowSquares),
  };
}

function mergeTails(a: TailSums, b: TailSums): TailSums {
  const add = (x: Float64Array, y: Float64Array) => x.map((value, i) => value + y[i]!);
  return {
    rows: a.rows + b.rows,
    high: add(a.high, b.high),
    highSquares: add(a.highSquares, b.highSquares),
    low: add(a.low, b.low),
    lowSquares: add(a.lowSquares, b.lowSquares),
  };
}
