import type { Dataset, ImageLayout } from "../data/index.js";
import {
  cloneModel,
  GraphBuilder,
  int,
  type Model,
  removeDead,
  requiredInputs,
  sortNodes,
  Tensor,
  Uses,
} from "../graph/index.js";
import { Feed, forEachBatch, requireRunner, type TransformContext } from "../runtime/index.js";

/** How raw pixels, 0–255 in the order red, green, blue, become what a network is given; numbers are a channel of the network's each. */
export interface Scaling {
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Channels back to front. */
  readonly reversed: boolean;
}

/** E[x] and E[x²] over the positions of one image, by channel. */
interface ImageMoments {
  readonly mean: Float32Array;
  readonly meanSquare: Float32Array;
}

/** What a BatchNormalization saw in training, and what it is given now, image by image. */
export interface NormalizationStatistics {
  readonly storedMean: Float32Array;
  readonly storedVariance: Float32Array;
  readonly images: readonly ImageMoments[];
}

/** A network that has forgotten: variances are as they are before training. */
const UNTRAINED = 1e-6;

/** The network behind its preprocessing: raw pixels in, scaled inside. */
export function scaledInside(source: Model, { mean, std, reversed }: Scaling, layout: ImageLayout): Model {
  const model = cloneModel(source);
  const { name } = requiredInputs(model.graph)[0]!;
  const before = new Set(model.graph.nodes);
  const builder = new GraphBuilder(model.graph);
  const channels = mean.length;
  const dims = layout === "NCHW" ? [channels, 1, 1] : [channels];
  const axis = layout === "NCHW" ? 1 : 3;
  const vector = (values: readonly number[]) => builder.constant(Tensor.float32(dims, values));
  const order = Tensor.int64(
    [channels],
    mean.map((_, channel) => BigInt(channels - 1 - channel)),
  );
  const pixels = reversed ? builder.node("Gather", [name, builder.constant(order)], { axis: int(axis) }) : name;
  const centred = builder.node("Sub", [pixels, vector(mean)]);
  const scaled = builder.node("Div", [centred, vector(std)]);
  const added = new Set(model.graph.nodes.filter((node) => !before.has(node)));
  new Uses(model.graph).replace(name, scaled, added);
  sortNodes(model.graph);
  return model;
}

/**
 * Mean and mean square of what the first `count` BatchNormalizations are given, beside what they stored. Undefined where the network has
 * none, or none that was trained.
 */
export async function normalizationStatistics(
  source: Model,
  dataset: Dataset,
  count: number,
  context: TransformContext,
): Promise<NormalizationStatistics[] | undefined> {
  const model = cloneModel(source);
  const nodes = model.graph.nodes.filter(({ opType }) => opType === "BatchNormalization").slice(0, count);
  if (nodes.length === 0) return undefined;
  const builder = new GraphBuilder(model.graph);
  model.graph.outputs = [];
  const exposed = (value: string) => {
    builder.output(value);
    return value;
  };
  const flat = builder.constant(Tensor.int64([3], [0n, 0n, -1n]));
  const probes = nodes.map(({ inputs }) => {
    const channels = builder.node("Reshape", [inputs[0]!, flat]);
    return {
      mean: exposed(builder.node("GlobalAveragePool", [channels])),
      meanSquare: exposed(builder.node("GlobalAveragePool", [builder.node("Mul", [channels, channels])])),
      storedMean: exposed(builder.node("Identity", [inputs[3]!])),
      storedVariance: exposed(builder.node("Identity", [inputs[4]!])),
    };
  });
  removeDead(model.graph);
  const seen = probes.map(() => [] as ImageMoments[]);
  let stored: Pick<NormalizationStatistics, "storedMean" | "storedVariance">[] = [];
  const feed = await Feed.of(model, dataset, context);
  await requireRunner(context, "preprocessing").using(
    model,
    (session) =>
      forEachBatch(session, feed, { batchSize: 8 }, context, (results, { count: images, fed }) => {
        const read = (name: string) => results[name]!.data as Float32Array;
        stored = probes.map(({ storedMean, storedVariance }) => ({
          storedMean: read(storedMean),
          storedVariance: read(storedVariance),
        }));
        for (const [at, { mean, meanSquare }] of probes.entries()) {
          const channels = read(mean).length / fed;
          const image = (values: Float32Array, index: number) => values.slice(index * channels, (index + 1) * channels);
          for (let index = 0; index < images; index++)
            seen[at]!.push({ mean: image(read(mean), index), meanSquare: image(read(meanSquare), index) });
        }
      }),
    { purpose: "preprocessing" },
  );
  const statistics = stored.map((own, at) => ({ ...own, images: seen[at]! }));
  return statistics.every(isUntrained) ? undefined : statistics;
}

function isUntrained({ storedMean, storedVariance }: NormalizationStatistics): boolean {
  return storedMean.every((mean) => mean === 0) && storedVariance.every((value) => Math.abs(value - 1) < UNTRAINED);
}

/** A channel that is always zero has no variance to divide by. */
const SMALLEST = 1e-12;
/** Differences below this are the scatter of 32 images. */
const RESOLUTION = 1e-3;

/**
 * ln of the distance of the images from what was stored: geometric mean over the channels of KL(normal of the images ‖ normal stored) =
 * ½ (ln(v/σ²) + (σ² + (m − μ)²)/v − 1) with m, σ² of the images and μ, v stored, each plus 0.001. `selection` chooses images.
 */
export function logDistance(
  { storedMean, storedVariance, images }: NormalizationStatistics,
  selection: ArrayLike<number>,
): number {
  let total = 0;
  for (let channel = 0; channel < storedMean.length; channel++) {
    let mean = 0;
    let square = 0;
    for (let at = 0; at < selection.length; at++) {
      const image = images[selection[at]!]!;
      mean += image.mean[channel]! / selection.length;
      square += image.meanSquare[channel]! / selection.length;
    }
    const stored = Math.max(storedVariance[channel]!, SMALLEST);
    const variance = Math.max(square - mean * mean, SMALLEST);
    const offset = (mean - storedMean[channel]!) ** 2;
    const divergence = (Math.log(stored / variance) + (variance + offset) / stored - 1) / 2;
    total += Math.log(Math.max(0, divergence) + RESOLUTION);
  }
  return total / storedMean.length;
}
