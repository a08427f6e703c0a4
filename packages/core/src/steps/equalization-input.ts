import { type ActivationStats, calibrate } from "../calibrate/index.js";
import { type Dataset, spread } from "../data/index.js";
import { equalizeValues, type NoiseOptions } from "../equalize/index.js";
import type { Model } from "../graph/index.js";
import { type QuantizeOptions, resolveQuantizeOptions } from "../quantize/index.js";
import { Feed, type HostTensor, type ObservedType, type TransformContext } from "../runtime/index.js";

/** The part of `equalize`'s options that follows from the data and from how the network will be quantized. */
export interface EqualizationInput extends NoiseOptions {
  readonly stats: ActivationStats;
  readonly shapes: ReadonlyMap<string, ObservedType>;
  /** A few samples, on which the float outputs must stay what they were. */
  readonly probes: readonly Readonly<Record<string, HostTensor>>[];
}

/** Drift is rounding: every sample shows it. */
const PROBES = 4;

/**
 * Collects the channel statistics that `equalize` reads and takes granularity and bits from the quantization options.
 * `quantized` names the values that get an encoding. Default: as `equalize`'s own.
 */
export async function equalizationInput(
  model: Model,
  shapes: ReadonlyMap<string, ObservedType>,
  quantize: QuantizeOptions,
  dataset: Dataset,
  context: TransformContext,
  { quantized, biasCorrected = false }: Pick<NoiseOptions, "quantized" | "biasCorrected"> = {},
): Promise<EqualizationInput> {
  const requests = equalizeValues(model, shapes, quantized).map((value) => ({
    value,
    moments: true,
    exactMinimum: false,
    histogram: false,
    tail: true,
  }));
  const stats = (await calibrate(model, dataset, { requests }, context)).activationStats();
  const { granularity, weightBits, weightSymmetric, activationBits, activationSymmetric } =
    resolveQuantizeOptions(quantize);
  const noise = { granularity, weightBits, weightSymmetric, activationBits, activationSymmetric, biasCorrected };
  return { ...noise, ...(quantized && { quantized }), stats, shapes, probes: await probesOf(model, dataset, context) };
}

async function probesOf(
  model: Model,
  dataset: Dataset,
  context: TransformContext,
): Promise<Readonly<Record<string, HostTensor>>[]> {
  const { signal } = context;
  const feed = await Feed.of(model, spread(dataset, Math.min(PROBES, dataset.length)), context);
  const probes: Readonly<Record<string, HostTensor>>[] = [];
  for await (const { feeds } of feed.batches({ ...(signal && { signal }) })) probes.push(feeds);
  return probes;
}
