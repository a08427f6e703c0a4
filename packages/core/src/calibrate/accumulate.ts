import { RunError } from "../errors.js";
import { ValueHistogram } from "../math/index.js";
import type { HostTensor } from "../runtime/index.js";
import { channelAxis, type StatisticsOutputs } from "./statistics-graph.js";
import { emptyTail, type TailSums, ValueStatistics } from "./value-statistics.js";

/** The samples of one run. */
export interface BatchSpan {
  /** Samples fed; the last ones may be padding. */
  readonly fed: number;
  /** Samples that count. */
  readonly count: number;
  /** Index of the first sample. */
  readonly first: number;
}

/** Takes the fetched reductions of one value, batch after batch, into its {@link ValueStatistics}. */
export class ValueAccumulator {
  readonly statistics = new ValueStatistics();
  /** For `rangeConvergence`: the number of samples after which the range grew noticeably no more. */
  lastWidening = 0;
  /** Range of the batch in hand. */
  #low = 0;
  #high = 0;
  readonly #extremes: SampleExtremes;
  #settledMin = Number.POSITIVE_INFINITY;
  #settledMax = Number.NEGATIVE_INFINITY;

  constructor(
    readonly outputs: StatisticsOutputs,
    /** Name of the sample with an index, for errors. */
    readonly sampleName: (index: number) => string,
  ) {
    const { channels, request } = outputs;
    if (request.histogram) this.statistics.histogram = new ValueHistogram();
    this.statistics.channels = {
      min: new Float64Array(channels).fill(Number.POSITIVE_INFINITY),
      max: new Float64Array(channels).fill(Number.NEGATIVE_INFINITY),
      ...(request.moments && { sum: new Float64Array(channels), sumSquares: new Float64Array(channels) }),
      ...(request.tail && { tail: emptyTail(channels) }),
      count: 0,
      ...(outputs.axis !== undefined && { axis: outputs.axis }),
    };
    this.#extremes = new SampleExtremes(channels);
  }

  /** Adds one batch. @throws {RunError} E7001 for NaN or Inf; the statistics are then not to be used. */
  add(fetched: Readonly<Record<string, HostTensor>>, batch: BatchSpan): void {
    const { outputs, statistics } = this;
    const read = (name: string | undefined) => {
      if (name === undefined) return undefined;
      const data = fetched[name]!.data as Float32Array;
      return batch.count === batch.fed ? data : data.subarray(0, (data.length / batch.fed) * batch.count);
    };
    const raw = read(outputs.raw);
    const max = read(outputs.max);
    this.#low = Number.POSITIVE_INFINITY;
    this.#high = Number.NEGATIVE_INFINITY;
    if (!max) {
      this.#addWhole(raw!, this.#inner(fetched[outputs.raw!]!.dims, raw!, batch), batch);
      statistics.histogram?.add(raw!);
    } else {
      const mean = read(outputs.mean);
      // NaN first: where there is one, the maximum means nothing.
      if (mean) this.#rejectIn(mean, Number.isNaN, batch);
      this.#addReduced(max, read(outputs.negatedMin), batch);
      const meanSquare = read(outputs.meanSquare);
      if (meanSquare) this.#addMoments(mean!, meanSquare);
      if (raw) {
        const { nonFinite } = statistics.histogram!.addCounts(raw, { min: this.#low, max: this.#high });
        if (nonFinite > 0) this.#rejectIn(raw, (x) => !Number.isFinite(x), batch);
      }
    }
    const perChannel = max ? (max.length / outputs.channels) * outputs.inner : raw!.length / outputs.channels;
    statistics.channels!.count += perChannel;
    statistics.count += perChannel * outputs.channels;
  }

  /** Maxima and negated minima of shape [rows, channels]. */
  #addReduced(max: Float32Array, negatedMin: Float32Array | undefined, batch: BatchSpan): void {
    const channels = this.statistics.channels!;
    const width = channels.max.length;
    const rows = max.length / width;
    const { tail } = channels;
    if (tail) tail.rows += rows;
    for (let row = 0, at = 0; row < rows; row++) {
      let low = negatedMin ? Number.POSITIVE_INFINITY : 0;
      let high = Number.NEGATIVE_INFINITY;
      for (let channel = 0; channel < width; channel++, at++) {
        const top = max[at]! + 0;
        const bottom = negatedMin ? 0 - negatedMin[at]! : 0;
        if (tail) addExtremes(tail, channel, top, bottom);
        if (top > channels.max[channel]!) channels.max[channel] = top;
        if (bottom < channels.min[channel]!) channels.min[channel] = bottom;
        if (top > high) high = top;
        if (bottom < low) low = bottom;
        // NaN fails every comparison, so it has to be looked for.
        if (!(top - bottom < Number.POSITIVE_INFINITY)) this.#reject(sampleOf(row, rows, batch), top, bottom);
      }
      this.#widen(low, high, sampleOf(row, rows, batch));
    }
  }

  /** Neighbouring elements of one channel in this run: samples may differ in size. */
  #inner(dims: readonly number[], data: Float32Array, { count }: BatchSpan): number {
    if (this.outputs.whole) return data.length / count;
    const axis = this.outputs.axis ?? channelAxis(dims);
    return dims.length < 2 ? this.outputs.inner : dims.slice(axis + 1).reduce((product, size) => product * size, 1);
  }

  /** A value that came back whole, [rows, channels, inner]: reduced here. */
  #addWhole(data: Float32Array, inner: number, batch: BatchSpan): void {
    const channels = this.statistics.channels!;
    const width = this.outputs.channels;
    const rows = data.length / (width * inner);
    const { tail } = channels;
    // Where channels lie behind another axis a sample has many rows, whose extremes are those of the sample.
    const rowsOfSample = this.outputs.axis === undefined ? 1 : rows / batch.count;
    for (let row = 0, at = 0; row < rows; row++) {
      let low = Number.POSITIVE_INFINITY;
      let high = Number.NEGATIVE_INFINITY;
      for (let channel = 0; channel < width; channel++) {
        let top = Number.NEGATIVE_INFINITY;
        let bottom = Number.POSITIVE_INFINITY;
        for (let k = 0; k < inner; k++, at++) {
          const x = data[at]! + 0;
          if (x > top) top = x;
          if (x < bottom) bottom = x;
          if (!Number.isFinite(x)) this.#reject(sampleOf(row, rows, batch), x, x);
          if (x > channels.max[channel]!) channels.max[channel] = x;
          if (x < channels.min[channel]!) channels.min[channel] = x;
          if (x > high) high = x;
          if (x < low) low = x;
          if (channels.sum) {
            channels.sum[channel] = channels.sum[channel]! + x;
            channels.sumSquares![channel] = channels.sumSquares![channel]! + x * x;
          }
        }
        if (tail) this.#extremes.see(channel, top, bottom);
      }
      if (tail && (row + 1) % rowsOfSample === 0) this.#extremes.addTo(tail);
      this.#widen(low, high, sampleOf(row, rows, batch));
    }
  }

  #addMoments(mean: Float32Array, meanSquare: Float32Array): void {
    const { sum, sumSquares } = this.statistics.channels!;
    const { inner } = this.outputs;
    const width = sum!.length;
    for (let at = 0; at < mean.length; at++) {
      const channel = at % width;
      sum![channel] = sum![channel]! + mean[at]! * inner;
      sumSquares![channel] = sumSquares![channel]! + meanSquare[at]! * inner;
    }
  }

  #widen(low: number, high: number, sample: number): void {
    const { statistics } = this;
    if (low < this.#low) this.#low = low;
    if (high > this.#high) this.#high = high;
    if (low < statistics.min) statistics.min = low;
    if (high > statistics.max) statistics.max = high;
    const settled = Math.max(this.#settledMax, 0) - Math.min(this.#settledMin, 0);
    const now = Math.max(statistics.max, 0) - Math.min(statistics.min, 0);
    // A sample counts as widening when it adds over 1 % to the range since the last one that did.
    if (sample === 0 || now > settled * 1.01) {
      this.lastWidening = sample + 1;
      this.#settledMin = statistics.min;
      this.#settledMax = statistics.max;
    }
  }

  /** Rejects the sample in which the first `bad` element lies, if there is one. */
  #rejectIn(values: Float32Array, bad: (x: number) => boolean, batch: BatchSpan): void {
    const at = values.findIndex(bad);
    if (at >= 0) this.#reject(sampleOf(at, values.length, batch), values[at]!, values[at]!);
  }

  #reject(sample: number, top: number, bottom: number): never {
    const { value } = this.outputs.request;
    const what = Number.isNaN(top) || Number.isNaN(bottom) ? "NaN" : "Inf";
    throw new RunError("E7001", `calibrate: ${what} in value "${value}" at sample ${this.sampleName(sample)}`, {
      tensor: value,
      sample: this.sampleName(sample),
      hint: "check the preprocessing of that sample and the model's weights",
    });
  }
}

/** Extremes of the sample in hand, by channel, while its rows come in. */
class SampleExtremes {
  readonly #high: Float64Array;
  readonly #low: Float64Array;

  constructor(channels: number) {
    this.#high = new Float64Array(channels).fill(Number.NEGATIVE_INFINITY);
    this.#low = new Float64Array(channels).fill(Number.POSITIVE_INFINITY);
  }

  see(channel: number, top: number, bottom: number): void {
    if (top > this.#high[channel]!) this.#high[channel] = top;
    if (bottom < this.#low[channel]!) this.#low[channel] = bottom;
  }

  /** Ends the sample. */
  addTo(tail: TailSums): void {
    tail.rows += 1;
    for (let channel = 0; channel < this.#high.length; channel++) {
      addExtremes(tail, channel, this.#high[channel]!, this.#low[channel]!);
    }
    this.#high.fill(Number.NEGATIVE_INFINITY);
    this.#low.fill(Number.POSITIVE_INFINITY);
  }
}

function addExtremes({ high, highSquares, low, lowSquares }: TailSums, channel: number, top: number, bottom: number) {
  high[channel] = high[channel]! + top;
  highSquares[channel] = highSquares[channel]! + top * top;
  low[channel] = low[channel]! + bottom;
  lowSquares[channel] = lowSquares[channel]! + bottom * bottom;
}

/** The sample that row `row` of `rows` belongs to: every sample has as many rows as the others. */
function sampleOf(row: number, rows: number, { first, count }: BatchSpan): number {
  return first + Math.floor((row * count) / rows);
}
