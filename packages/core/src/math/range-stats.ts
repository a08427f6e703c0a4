import { DataError, OptionsError } from "../errors.js";
import { channelLayout } from "./affine.js";

/** Statistics of values that were already reduced, one element a channel, over `count` values each. */
export interface StatsSummary {
  readonly min: ArrayLike<number>;
  readonly max: ArrayLike<number>;
  readonly mean: ArrayLike<number>;
  readonly meanSquare: ArrayLike<number>;
  readonly count: number;
}

/** JSON form of {@link RangeStats}: sums, not means, so that reading and merging lose nothing. `null` = no value yet. */
export interface RangeStatsJson {
  schema: "equant.range-stats/1";
  min: (number | null)[];
  max: (number | null)[];
  sum: number[];
  sumOfSquares: number[];
  count: number[];
  nonFinite: number;
}

/**
 * Streaming statistics of a tensor (one channel) or of its channels. Merging is exact for min, max and count; means are
 * float64 sums divided by the count, whose last bits depend on the order. NaN and ±∞ are counted and otherwise left out.
 */
export class RangeStats {
  /** Exact; ∞ and −∞ for a channel without values. */
  readonly min: Float32Array;
  readonly max: Float32Array;
  readonly sum: Float64Array;
  readonly sumOfSquares: Float64Array;
  /** Finite values, by channel. */
  readonly count: Float64Array;
  /** NaN and ±∞ seen, over all channels. */
  nonFinite = 0;

  constructor(channels = 1) {
    this.min = new Float32Array(channels).fill(Infinity);
    this.max = new Float32Array(channels).fill(-Infinity);
    this.sum = new Float64Array(channels);
    this.sumOfSquares = new Float64Array(channels);
    this.count = new Float64Array(channels);
  }

  get channels(): number {
    return this.min.length;
  }

  /** E[x], by channel; NaN without values. */
  get mean(): Float64Array {
    return this.sum.map((sum, c) => sum / this.count[c]!);
  }

  /** E[x²], by channel; NaN without values. */
  get meanSquare(): Float64Array {
    return this.sumOfSquares.map((sum, c) => sum / this.count[c]!);
  }

  /**
   * Adds all values of a tensor. With several channels, `dims` and `axis` say which value belongs to which.
   *
   * @throws {OptionsError} E2002: shape, axis and channels disagree.
   */
  add(values: Float32Array, dims: readonly number[] = [values.length], axis?: number): this {
    const whole = { outer: 1, channels: 1, inner: values.length };
    const layout = axis === undefined ? whole : channelLayout(values.length, dims, axis, "RangeStats.add");
    this.#requireChannels(layout.channels, "add");
    let k = 0;
    for (let o = 0; o < layout.outer; o++) {
      for (let c = 0; c < layout.channels; c++) {
        this.#addRun(values, k, k + layout.inner, c);
        k += layout.inner;
      }
    }
    return this;
  }

  /** Adds statistics that were reduced elsewhere, in a graph for instance. A channel with NaN or ∞ counts as not finite. */
  addSummary(summary: StatsSummary): this {
    this.#requireChannels(summary.min.length, "addSummary");
    const { count } = summary;
    if (count === 0) return this;
    for (let c = 0; c < this.channels; c++) {
      const min = summary.min[c]!;
      const max = summary.max[c]!;
      const sum = summary.mean[c]! * count;
      const squares = summary.meanSquare[c]! * count;
      if (!Number.isFinite(min + max + sum + squares)) {
        this.nonFinite++;
        continue;
      }
      this.min[c] = Math.min(this.min[c]!, min);
      this.max[c] = Math.max(this.max[c]!, max);
      this.sum[c] = this.sum[c]! + sum;
      this.sumOfSquares[c] = this.sumOfSquares[c]! + squares;
      this.count[c] = this.count[c]! + count;
    }
    return this;
  }

  /** Adds the values that another object has seen. @throws {OptionsError} E2002: channels differ. */
  merge(other: RangeStats): this {
    this.#requireChannels(other.channels, "merge");
    for (let c = 0; c < this.channels; c++) {
      this.min[c] = Math.min(this.min[c]!, other.min[c]!);
      this.max[c] = Math.max(this.max[c]!, other.max[c]!);
      this.sum[c] = this.sum[c]! + other.sum[c]!;
      this.sumOfSquares[c] = this.sumOfSquares[c]! + other.sumOfSquares[c]!;
      this.count[c] = this.count[c]! + other.count[c]!;
    }
    this.nonFinite += other.nonFinite;
    return this;
  }

  /** All channels together, as one. */
  perTensor(): RangeStats {
    const result = new RangeStats(1);
    for (let c = 0; c < this.channels; c++) {
      result.min[0] = Math.min(result.min[0]!, this.min[c]!);
      result.max[0] = Math.max(result.max[0]!, this.max[c]!);
      result.sum[0] = result.sum[0]! + this.sum[c]!;
      result.sumOfSquares[0] = result.sumOfSquares[0]! + this.sumOfSquares[c]!;
      result.count[0] = result.count[0]! + this.count[c]!;
    }
    result.nonFinite = this.nonFinite;
    return result;
  }

  toJSON(): RangeStatsJson {
    const limits = (values: Float32Array) => Array.from(values, (x) => (Number.isFinite(x) ? x + 0 : null));
    return {
      schema: "equant.range-stats/1",
      min: limits(this.min),
      max: limits(this.max),
      sum: Array.from(this.sum),
      sumOfSquares: Array.from(this.sumOfSquares),
      count: Array.from(this.count),
      nonFinite: this.nonFinite,
    };
  }

  /** Reads {@link toJSON}'s form. @throws {DataError} E5002 when it contradicts itself. */
  static fromJSON(json: RangeStatsJson): RangeStats {
    const channels = json?.min?.length;
    const lists = [json?.max, json?.sum, json?.sumOfSquares, json?.count];
    if (json?.schema !== "equant.range-stats/1" || lists.some((list) => list?.length !== channels)) {
      throw new DataError("E5002", "range statistics: damaged data, expected lists of one length", {
        hint: "The file was changed or cut off: measure the calibration again.",
      });
    }
    const stats = new RangeStats(channels);
    for (let c = 0; c < channels; c++) {
      stats.min[c] = json.min[c] ?? Infinity;
      stats.max[c] = json.max[c] ?? -Infinity;
    }
    stats.sum.set(json.sum);
    stats.sumOfSquares.set(json.sumOfSquares);
    stats.count.set(json.count);
    stats.nonFinite = json.nonFinite;
    return stats;
  }

  #requireChannels(channels: number, method: string): void {
    if (channels === this.channels) return;
    throw new OptionsError("E2002", `RangeStats.${method}: ${channels} channels, expected ${this.channels}`, {
      expected: this.channels,
      actual: channels,
    });
  }

  #addRun(values: Float32Array, from: number, to: number, channel: number): void {
    let min = this.min[channel]!;
    let max = this.max[channel]!;
    let sum = 0;
    let squares = 0;
    for (let i = from; i < to; i++) {
      const x = values[i]!;
      if (x < min) min = x;
      if (x > max) max = x;
      sum += x;
      squares += x * x;
    }
    // Squares of float32 cannot overflow a double: a sum that is not finite means NaN or ∞ among the values.
    if (!(squares < Infinity)) {
      const finite = values.subarray(from, to).filter((x) => x - x === 0);
      this.nonFinite += to - from - finite.length;
      this.#addRun(finite, 0, finite.length, channel);
      return;
    }
    this.min[channel] = min;
    this.max[channel] = max;
    this.sum[channel] = this.sum[channel]! + sum;
    this.sumOfSquares[channel] = this.sumOfSquares[channel]! + squares;
    this.count[channel] = this.count[channel]! + (to - from);
  }
}
