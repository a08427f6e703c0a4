import { RunError } from "../errors.js";
import { ValueHistogram } from "../math/index.js";
import type { HostTensor } from "../runtime/index.js";
import type { StatisticsOutputs } from "./statistics-graph.js";
import { type ChannelSums, ValueStatistics } from "./value-statistics.js";

/** Takes the fetched reductions of one value, batch after batch, into its {@link ValueStatistics}. */
export class ValueAccumulator {
  readonly statistics = new ValueStatistics();
  /** Range of the value after each sample, for {@link rangeConvergence}: the last sample that widened it noticeably. */
  lastWidening = 0;
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
      count: 0,
    };
  }

  /** Adds one batch of `count` samples whose first has index `first`. */
  add(fetched: Readonly<Record<string, HostTensor>>, count: number, first: number): void {
    const { outputs, statistics } = this;
    const read = (name: string) => fetched[name]!.data as Float32Array;
    const channels = statistics.channels!;
    const perChannel = outputs.elementsPerSample / outputs.channels;
    if (outputs.raw !== undefined && outputs.max === undefined) this.#addWhole(read(outputs.raw), count, first);
    else {
      const max = read(outputs.max!);
      const negatedMin = outputs.negatedMin === undefined ? undefined : read(outputs.negatedMin);
      this.#addReduced(max, negatedMin, count, first);
      if (outputs.mean !== undefined) {
        addSums(channels, read(outputs.mean), read(outputs.meanSquare!), count, perChannel);
      }
    }
    if (outputs.raw !== undefined) statistics.histogram?.add(read(outputs.raw));
    channels.count += count * perChannel;
    statistics.count += count * outputs.elementsPerSample;
  }

  #addReduced(max: Float32Array, negatedMin: Float32Array | undefined, count: number, first: number): void {
    const channels = this.statistics.channels!;
    const width = channels.max.length;
    for (let sample = 0, at = 0; sample < count; sample++) {
      let low = negatedMin ? Number.POSITIVE_INFINITY : 0;
      let high = Number.NEGATIVE_INFINITY;
      for (let channel = 0; channel < width; channel++, at++) {
        const top = max[at]!;
        const bottom = negatedMin ? -negatedMin[at]! : 0;
        if (top > channels.max[channel]!) channels.max[channel] = top;
        if (bottom < channels.min[channel]!) channels.min[channel] = bottom;
        if (top > high) high = top;
        if (bottom < low) low = bottom;
        // NaN fails every comparison, so it has to be looked for.
        if (!(top - bottom < Number.POSITIVE_INFINITY)) this.#reject(first + sample, top, bottom);
      }
      this.#widen(low, high, first + sample);
    }
  }

  /** A value that came back whole: reduced here. Axis 1 is the channel from rank 3 on, the last axis below. */
  #addWhole(data: Float32Array, count: number, first: number): void {
    const channels = this.statistics.channels!;
    const perChannel = this.outputs.elementsPerSample / this.outputs.channels;
    const width = this.outputs.channels;
    for (let sample = 0, at = 0; sample < count; sample++) {
      let low = Number.POSITIVE_INFINITY;
      let high = Number.NEGATIVE_INFINITY;
      for (let channel = 0; channel < width; channel++) {
        for (let k = 0; k < perChannel; k++, at++) {
          const x = data[at]!;
          if (!Number.isFinite(x)) this.#reject(first + sample, x, x);
          if (x > channels.max[channel]!) channels.max[channel] = x;
          if (x < channels.min[channel]!) channels.min[channel] = x;
          if (x > high) high = x;
          if (x < low) low = x;
          if (channels.sum) {
            channels.sum[channel] = channels.sum[channel]! + x;
            channels.sumSquares![channel] = channels.sumSquares![channel]! + x * x;
          }
        }
      }
      this.#widen(low, high, first + sample);
    }
  }

  #widen(low: number, high: number, sample: number): void {
    const { statistics } = this;
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

function addSums(
  channels: ChannelSums,
  mean: Float32Array,
  meanSquare: Float32Array,
  count: number,
  perChannel: number,
): void {
  const { sum, sumSquares } = channels;
  const width = sum!.length;
  for (let sample = 0, at = 0; sample < count; sample++) {
    for (let channel = 0; channel < width; channel++, at++) {
      sum![channel] = sum![channel]! + mean[at]! * perChannel;
      sumSquares![channel] = sumSquares![channel]! + meanSquare[at]! * perChannel;
    }
  }
}
