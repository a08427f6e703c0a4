import type { ActivationStats, ChannelStats } from "../calibrate/channel-stats.js";
import type { ChannelFlow } from "../channels/flow.js";
import { sameAxes } from "../channels/space.js";
import { type GraphIndex, isOp } from "../graph/index.js";
import { factsOf, fuses } from "../operators/facts.js";

/** Statistics of a value, one entry a channel of its {@link ChannelFlow} space. */
export interface ValuePower {
  readonly max: Float64Array;
  readonly min: Float64Array;
  readonly mean: Float64Array;
  readonly meanSquare: Float64Array;
  /** Typical extremes of one run, where they were collected. */
  readonly run?: { readonly high: Float64Array; readonly low: Float64Array };
}

/**
 * Statistics of a value in the order of its channels. Where statistics were taken along another axis than the value's
 * channels, every channel gets the whole value's: exact for a value whose factors are all 1.
 * Undefined where there are none, or where they are not finite.
 */
export function valuePower(flow: ChannelFlow, stats: ActivationStats, value: string): ValuePower | undefined {
  const given = stats.get(value);
  const space = flow.space(value);
  if (!given || !space || !allFinite(given)) return undefined;
  const rank = flow.dims(value).length;
  const along = given.axis ?? Math.min(1, rank - 1);
  const aligned = sameAxes(space.axes, rank === 0 ? [] : [along]) && given.max.length === space.count;
  const { run } = given;
  if (aligned) {
    return {
      max: Float64Array.from(given.max),
      min: Float64Array.from(given.min),
      mean: Float64Array.from(given.mean),
      meanSquare: Float64Array.from(given.meanSquare),
      ...(run && { run: { high: Float64Array.from(run.high), low: Float64Array.from(run.low) } }),
    };
  }
  const length = given.max.length;
  const widest = (values: ArrayLike<number>) =>
    new Float64Array(space.count).fill(Array.from(values).reduce((a, b) => Math.max(a, b), 0));
  const average = (values: ArrayLike<number>) => Array.from(values).reduce((sum, x) => sum + x, 0) / length;
  return {
    max: new Float64Array(space.count).fill(Array.from(given.max).reduce((a, b) => Math.max(a, b))),
    min: new Float64Array(space.count).fill(Array.from(given.min).reduce((a, b) => Math.min(a, b))),
    mean: new Float64Array(space.count).fill(average(given.mean)),
    meanSquare: new Float64Array(space.count).fill(average(given.meanSquare)),
    ...(run && { run: { high: widest(run.high), low: widest(run.low) } }),
  };
}

function allFinite({ max, min, mean, meanSquare }: ChannelStats): boolean {
  const finite = (values: ArrayLike<number>) => Array.from(values).every(Number.isFinite);
  return max.length > 0 && finite(max) && finite(min) && finite(mean) && finite(meanSquare);
}

/** `value` and what activations that alone read it make of it, one behind the other. */
export function activationChain(index: GraphIndex, value: string): string[] {
  const chain = [value];
  for (;;) {
    const next = index.onlyConsumer(chain.at(-1)!);
    if (!fuses(next) || next.inputs[0] !== chain.at(-1)) return chain;
    chain.push(next.outputs[0]!);
  }
}

/** The value behind the activation that alone reads `value`; `value` itself where there is none. */
export function behindActivation(index: GraphIndex, value: string): string {
  return activationChain(index, value).at(-1)!;
}

/**
 * Values that integer hardware encodes: the network's inputs, the outputs of linear layers, Add and Concat behind the activation that
 * fuses with them, and what gates make, which themselves run in float. Graph outputs stay float.
 */
export function defaultQuantizedValues(flow: ChannelFlow): string[] {
  const { graph, index } = flow;
  const values = graph.inputs.map(({ name }) => name).filter((name) => flow.space(name));
  const inGates = new Set(flow.gates.flatMap(({ nodes }) => nodes));
  values.push(...flow.gates.map(({ output }) => output));
  for (const { node, layer, outputs } of flow.nodes) {
    if (inGates.has(node)) continue;
    if (outputs.length > 0 && (layer || factsOf(node)?.joins)) values.push(behindActivation(index, outputs[0]!));
  }
  const ends = new Set(graph.outputs.map(({ name }) => name));
  return [...new Set(values)].filter((value) => !ends.has(value));
}

/** Values that are rounded: {@link defaultQuantizedValues}, or with ranges by run what MatMul and Gemm read. */
export function roundedValues(flow: ChannelFlow, activations: "static" | "dynamic"): string[] {
  if (activations === "static") return defaultQuantizedValues(flow);
  return [...new Set(flow.nodes.flatMap(({ layer }) => (layer && !layer.convolves ? [layer.input] : [])))];
}

/** Values whose statistics equalization reads: what layers read and make, and what gets an encoding. */
export function equalizationValues(
  flow: ChannelFlow,
  quantized: readonly string[] = defaultQuantizedValues(flow),
): string[] {
  const values = new Set<string>();
  for (const { layer } of flow.nodes) {
    if (!layer) continue;
    values.add(layer.input);
    values.add(layer.output);
    values.add(behindActivation(flow.index, layer.output));
  }
  for (const { node, inputs } of flow.nodes) if (isOp(node, "Clip")) for (const value of inputs) values.add(value);
  for (const value of quantized) values.add(value);
  return [...values].filter((value) => flow.space(value));
}
