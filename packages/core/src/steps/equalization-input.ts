import { neededBounds } from "../bounds/index.js";
import { type ActivationStats, calibrate, withinBounds } from "../calibrate/index.js";
import { channelFlow } from "../channels/index.js";
import { type Dataset, spread } from "../data/index.js";
import { equalizationValues, type NoiseOptions } from "../equalize/index.js";
import { CompressionError } from "../errors.js";
import { type ChannelSensitivity, channelSensitivity } from "../gradient/index.js";
import type { Model } from "../graph/index.js";
import { type QuantizeOptions, resolveQuantizeOptions } from "../quantize/index.js";
import { Feed, type HostTensor, type ObservedType, requireData, type TransformContext } from "../runtime/index.js";

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
  context: TransformContext,
  {
    quantized,
    biasCorrected = false,
    activations,
  }: Pick<NoiseOptions, "quantized" | "biasCorrected" | "activations"> = {},
): Promise<EqualizationInput> {
  const dataset = requireData(context, "equalize");
  const flow = channelFlow(model.graph, shapes);
  const values = equalizationValues(flow, quantized);
  const axes = values.map((value) => ({ value, axes: flow.space(value)!.axes }));
  const requests = axes.map(({ value, axes: [axis, ...others] }) => ({
    value,
    moments: true,
    exactMinimum: false,
    histogram: false,
    tail: true,
    ...(axis !== undefined && others.length === 0 && { axis }),
  }));
  // Corrected biases take the shift of a mean away.
  const sensitivity = await sensitivityOf(model, axes, dataset, context, !biasCorrected);
  const measured = (await calibrate(model, { requests }, context)).activationStats();
  const needed = (value: string) => neededBounds(model.graph, flow.index, value);
  const stats = new Map([...measured].map(([value, own]) => [value, withinBounds(own, needed(value))]));
  const { granularity, weightBits, weightSymmetric, activationBits, activationSymmetric } =
    resolveQuantizeOptions(quantize);
  const noise = { granularity, weightBits, weightSymmetric, activationBits, activationSymmetric, biasCorrected };
  const known = {
    ...(activations && { activations }),
    ...(quantized && { quantized }),
    ...(sensitivity && { sensitivity: sensitivity.drawn }),
    ...(sensitivity?.shared && { sharedSensitivity: sensitivity.shared }),
  };
  return { ...noise, ...known, stats, shapes, probes: await probesOf(model, dataset, context) };
}

/** No gradient of an operator, no shapes for a backward pass, or values the outputs do not depend on. */
const NO_SENSITIVITY: readonly string[] = ["E3003", "E4001", "E4002", "E4005", "E6003", "E6004"];

/** Undefined where it cannot be told: noise then counts as share of what it disturbs. */
async function sensitivityOf(
  model: Model,
  values: Parameters<typeof channelSensitivity>[1],
  dataset: Dataset,
  context: TransformContext,
  shared: boolean,
): Promise<ChannelSensitivity | undefined> {
  try {
    return await channelSensitivity(model, values, dataset, context, { shared });
  } catch (error) {
    if (error instanceof CompressionError && NO_SENSITIVITY.includes(error.code)) return undefined;
    throw error;
  }
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
