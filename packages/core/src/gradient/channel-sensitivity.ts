import { type Dataset, spread } from "../data/index.js";
import {
  cloneModel,
  GraphBuilder,
  type GraphIndex,
  indexGraph,
  int,
  isOp,
  type Model,
  Tensor,
} from "../graph/index.js";
import { createRandom, type Random } from "../math/index.js";
import { Feed, forEachBatch, type HostTensor, requireRunner, type TransformContext } from "../runtime/index.js";
import { differentiate, gradientName } from "./differentiate.js";
import { type KnownShapes, observeBatchShapes } from "./known-shapes.js";

/** A value and the axes along which its channels lie. */
export interface SensitivityRequest {
  readonly value: string;
  readonly axes: readonly number[];
}

/** Options for {@link channelSensitivity}. */
export interface ChannelSensitivityOptions {
  /** Samples, spread over the dataset. Default: 16; with one random direction each, channels are right to within a third. */
  samples?: number;
  /** Of the random directions. Default: 0. */
  seed?: number;
  /** Whether {@link ChannelSensitivity.shared} is wanted as well; it comes of the same runs. Default: false. */
  shared?: boolean;
}

/** Sensitivities by value and channel. */
export interface ChannelSensitivity {
  /** Of noise drawn anew at every position. */
  readonly drawn: Map<string, Float64Array>;
  /** Of noise that is the same at all positions of a channel, as what a wrong mean is. Undefined where it was not asked for. */
  readonly shared?: Map<string, Float64Array>;
}

const CHANNEL_SENSITIVITY_DEFAULTS = {
  samples: 16,
  seed: 0,
  shared: false,
} as const satisfies Required<ChannelSensitivityOptions>;

/**
 * How much of the outputs' power noise on each channel becomes: g_c, so that noise of power σ² on every element of channel c adds
 * g_c·σ² to the noise-to-signal ratio of the network's outputs, to first order. By value and channel.
 *
 * g_c = E[Σ_positions (∂(r·o)/∂y_c)²] with random signs r (Hutchinson 1990), which have E[rrᵀ] = 1, over the power of each output o; outputs
 * count alike. What all positions share: E[(Σ_positions ∂(r·o)/∂y_c)²]. A Softmax at the end is left out: where it is saturated, it hides what happens to the scores.
 *
 * Values that no output depends on are missing in the result.
 * @throws {ModelError} E4001 an operator on the way has no gradient.
 */
export async function channelSensitivity(
  model: Model,
  requests: readonly SensitivityRequest[],
  dataset: Dataset,
  context: TransformContext,
  options: ChannelSensitivityOptions = {},
): Promise<ChannelSensitivity> {
  const { samples, seed, shared } = { ...CHANNEL_SENSITIVITY_DEFAULTS, ...options };
  const runner = requireRunner(context, "sensitivity");
  const chosen = spread(dataset, Math.min(samples, dataset.length));
  const feed = await Feed.of(model, chosen, context);
  const shapes = await observeBatchShapes(runner, model, 2, await feed.first());
  const network = probedNetwork(model, requests, shapes, shared);
  const sums = { drawn: new Map<string, Float64Array>(), ...(shared && { shared: new Map<string, Float64Array>() }) };
  if (network.wanted.length === 0) return sums;
  const { ends } = network;
  const power = new Map(ends.map((end) => [end, 0]));
  const sizes: (readonly number[])[][] = [];
  await runner.using(
    network.forward,
    (session) =>
      forEachBatch(session, feed, { fetches: ends, batchSize: BATCH }, context, (outputs) => {
        for (const end of ends) power.set(end, power.get(end)! + squares(outputs[end]!));
        sizes.push(ends.map((end) => outputs[end]!.dims));
      }),
    { purpose: "sensitivity" },
  );
  const random = createRandom(seed);
  const weights = ends.map((end) => 1 / Math.sqrt(Math.max(power.get(end)!, Number.MIN_VALUE) * ends.length));
  let batch = 0;
  const extra = () => {
    const dims = sizes[batch++]!;
    return Object.fromEntries(ends.map((end, k) => [directionOf(end), signs(dims[k]!, weights[k]!, random)]));
  };
  await runner.using(
    network.backward,
    (session) =>
      forEachBatch(session, feed, { extra, batchSize: BATCH }, context, (outputs) => {
        for (const { value, drawn, shared: together } of network.wanted) {
          addTo(sums.drawn, value, outputs[drawn]!);
          if (sums.shared) addTo(sums.shared, value, outputs[together!]!);
        }
      }),
    { purpose: "sensitivity" },
  );
  return sums;
}

function addTo(sums: Map<string, Float64Array>, value: string, { data }: HostTensor): void {
  const own = data as Float32Array;
  const sum = sums.get(value) ?? new Float64Array(own.length);
  for (let channel = 0; channel < own.length; channel++) sum[channel] = sum[channel]! + own[channel]!;
  sums.set(value, sum);
}

/** A backward pass keeps what the forward pass made. */
const BATCH = 4;

const directionOf = (end: string) => `sensitivity/${end}/direction`;

interface ProbedNetwork {
  /** Values whose noise is meant. */
  readonly ends: readonly string[];
  readonly forward: Model;
  readonly backward: Model;
  /** Names of the outputs with the sums of a value. */
  readonly wanted: readonly { readonly value: string; readonly drawn: string; readonly shared?: string }[];
}

/** The network that makes the ends, and the one that makes the sums by channel of every value. */
function probedNetwork(
  model: Model,
  requests: readonly SensitivityRequest[],
  shapes: KnownShapes,
  shared: boolean,
): ProbedNetwork {
  const index = indexGraph(model.graph);
  const isFloat = (value: string) => (shapes.get(value)?.dtype ?? "float32") === "float32" && shapes.has(value);
  const ends = [...new Set(model.graph.outputs.map(({ name }) => beforeSoftmax(index, name)))].filter(isFloat);
  const reaching = valuesBefore(index, ends);
  const wanted = requests.filter(({ value }) => reaching.has(value) && isFloat(value));
  const forward = cloneModel(model);
  forward.graph.outputs = ends.map((name) => ({ name }));
  if (wanted.length === 0 || ends.length === 0) return { ends, forward, backward: forward, wanted: [] };
  const network = cloneModel(forward);
  const builder = new GraphBuilder(network.graph);
  const parts = ends.map((end) => {
    const shape = shapes.get(end)!.dims.map((dim) => (dim < 0 ? "N" : dim));
    const direction = builder.input(directionOf(end), shape);
    return builder.node("ReduceSum", [builder.node("Mul", [end, direction])], { keepdims: int(0) });
  });
  const loss = parts.length === 1 ? parts[0]! : builder.node("Sum", parts);
  const backward = differentiate(network, { loss, wrt: wanted.map(({ value }) => value), shapes });
  const squared = new GraphBuilder(backward.graph);
  backward.graph.outputs = [];
  const results = wanted.map(({ value, axes }) => {
    const gradient = gradientName(value);
    const others = shapes.get(value)!.dims.flatMap((_, axis) => (axes.includes(axis) ? [] : axis));
    const summed = (from: string, along: readonly number[]) => {
      const constant = squared.constant(Tensor.int64([along.length], along), "sensitivity/axes");
      return along.length === 0 ? from : squared.node("ReduceSum", [from, constant], { keepdims: int(1) });
    };
    const sumOfSquares = (each: string) => {
      const sum = summed(squared.node("Mul", [each, each]), others);
      const flat = squared.node("Reshape", [sum, squared.constant(Tensor.int64([1], [-1]), "sensitivity/flat")]);
      squared.output(flat);
      return flat;
    };
    const positions = others.filter((axis) => axis > 0);
    return {
      value,
      drawn: sumOfSquares(gradient),
      ...(shared && { shared: sumOfSquares(summed(gradient, positions)) }),
    };
  });
  return { ends, forward, backward, wanted: results };
}

function beforeSoftmax(index: GraphIndex, output: string): string {
  const producer = index.producer(output);
  return isOp(producer, "Softmax") ? producer.inputs[0]! : output;
}

/** Everything the given values are computed from, themselves included. */
function valuesBefore(index: GraphIndex, values: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const open = [...values];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (seen.has(value)) continue;
    seen.add(value);
    open.push(...(index.producer(value)?.inputs.filter((input) => input !== "") ?? []));
  }
  return seen;
}

function squares({ data }: HostTensor): number {
  let sum = 0;
  for (const value of data as Float32Array) sum += value * value;
  return sum;
}

function signs(dims: readonly number[], weight: number, random: Random): HostTensor {
  const size = dims.reduce((product, dim) => product * dim, 1);
  const data = Float32Array.from({ length: size }, () => (random.uniform() < 0.5 ? -weight : weight));
  return { dtype: "float32", dims, data };
}
