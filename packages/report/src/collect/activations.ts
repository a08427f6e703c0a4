import {
  chooseRange,
  countedPart,
  type Dataset,
  type Encoding,
  exposeValues,
  Feed,
  forEachBatch,
  type QuantizeOptions,
  representability,
  representableRange,
  requiredInputs,
  requireRunner,
  resolveQuantizeOptions,
  spread,
  type TransformContext,
  ValueHistogram,
} from "@equant/core/lab";
import type { HistogramRow, MsbRow, RangeRow } from "../schema.js";
import { ChannelBits } from "./msb-channels.js";
import { short, shortNumber } from "./rounding.js";
import { examplesOf, msbOf, type NetworkState } from "./tensors.js";

/** Samples a run: all activations come back to be counted. */
const BATCH = 4;
/** Bars of a histogram chart. */
const BARS = 64;

/** What is known of one value with an encoding, counted value by value. */
export interface ObservedActivation {
  readonly layer: string;
  readonly tensor: string;
  readonly encoding: Encoding;
  readonly histogram: ValueHistogram;
  overflow: number;
  underflow: number;
  examples: number[];
  /** By channel, where the value has channels that can be told apart. */
  channels: ChannelBits | undefined;
}

/**
 * Runs the float network over `samples` spread over the data and counts every value that gets an encoding: most significant
 * bits, saturation and underflow. `nameOf` gives the layer that a value belongs to.
 */
export async function observeActivations(
  { floatModel, plan }: NetworkState,
  dataset: Dataset,
  samples: number,
  nameOf: (value: string) => string,
  context: TransformContext,
): Promise<ObservedActivation[]> {
  const { initializers } = floatModel.graph;
  const inputs = new Set(requiredInputs(floatModel.graph).map(({ name }) => name));
  const observed = [...plan.activations]
    .filter(([value]) => !initializers.has(value))
    .map(([tensor, encoding]) => ({
      layer: nameOf(tensor),
      tensor,
      encoding,
      histogram: new ValueHistogram(),
      overflow: 0,
      underflow: 0,
      examples: [] as number[],
      channels: undefined as ChannelBits | undefined,
    }));
  const exposed = observed.map(({ tensor }) => tensor).filter((value) => !inputs.has(value));
  const chosen = spread(dataset, Math.min(samples, dataset.length));
  const feed = await Feed.of(floatModel, chosen, context);
  await requireRunner(context, "report").using(exposeValues(floatModel, exposed), (session) =>
    forEachBatch(session, feed, { batchSize: BATCH, keepsFeeds: true }, context, (fetched, batch) => {
      for (const value of observed) {
        const { data, dims } = batch.feeds![value.tensor] ?? fetched[value.tensor]!;
        count(value, countedPart(data as Float32Array, batch), batch.count, dims[1] ?? 1);
      }
    }),
  );
  return observed;
}

/** Axis 1 of an activation is its channels: runs of equal length, sample after sample. */
function count(value: ObservedActivation, data: Float32Array, samples: number, channels: number): void {
  value.histogram.add(data);
  const { overflow, underflow } = representability(data, value.encoding);
  value.overflow += overflow;
  value.underflow += underflow;
  if (ChannelBits.fits(channels)) {
    value.channels ??= new ChannelBits(channels, value.encoding);
    value.channels.addRuns(data, data.length / (samples * channels));
  }
  if (value.examples.length === 0) value.examples = examplesOf(data);
}

export function activationMsb(observed: readonly ObservedActivation[]): MsbRow[] {
  return observed.map(({ layer, tensor, encoding, histogram, overflow, underflow, examples, channels }) =>
    msbOf(
      { layer, tensor, kind: "activations" },
      histogram,
      encoding,
      { overflow, underflow },
      examples,
      channels && { channels: channels.worst(), channelCount: channels.channels },
    ),
  );
}

export function activationRanges(observed: readonly ObservedActivation[]): RangeRow[] {
  return observed.map(({ layer, tensor, histogram: { min, max } }) => ({
    layer,
    tensor,
    kind: "activations",
    min: shortNumber(min, 7),
    max: shortNumber(max, 7),
  }));
}

/** Bars of equal width, and the range that every chooser would pick for the same type. */
export function activationHistograms(
  observed: readonly ObservedActivation[],
  options: QuantizeOptions,
): HistogramRow[] {
  const { activationBits: bits, activationSymmetric: symmetric, calibrator: used } = resolveQuantizeOptions(options);
  const choosers = [...new Set(["minmax", "percentile:99.99", "entropy", "mse", used])];
  return observed.map(({ layer, tensor, histogram, encoding }) => {
    const { min, max } = histogram;
    const width = (max - min) / BARS || 1;
    const counts = new Float64Array(BARS);
    const add = (from: number, to: number, n: number) => {
      const first = Math.max(0, Math.min(BARS - 1, Math.floor((from - min) / width)));
      const last = Math.max(first, Math.min(BARS - 1, Math.floor((to - min) / width)));
      // A bin wider than a bar is spread evenly over the bars it covers.
      for (let bar = first; bar <= last; bar++) counts[bar] = counts[bar]! + n / (last - first + 1);
    };
    const { lower, upper, count } = histogram.sorted();
    count.forEach((n, i) => {
      add(lower[i]!, upper[i]!, n);
    });
    add(0, 0, histogram.zeros);
    return {
      layer,
      tensor,
      edges: short(Array.from({ length: BARS + 1 }, (_, i) => min + i * width)),
      counts: Array.from(counts, Math.round),
      thresholds: choosers.map((chooser) => {
        // Tails are not in a histogram: what they led to is in the encoding.
        const range =
          chooser === "tail" ? representableRange(encoding) : chooseRange(histogram, { chooser, bits, symmetric });
        return { chooser, min: shortNumber(range.min), max: shortNumber(range.max) };
      }),
      used,
    };
  });
}
