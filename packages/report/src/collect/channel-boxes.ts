import { forEachWeight, type LinearLayer } from "@equant/core/lab";
import type { Boxes } from "../schema.js";
import { short } from "./rounding.js";

/**
 * Minimum, quartiles and maximum of the weights of each output channel. A quartile between two values is interpolated
 * linearly: position (n − 1)·p in the sorted list.
 */
export function channelBoxes(layer: LinearLayer): Boxes {
  const weights = layer.tensor.array() as Float32Array;
  const size = weights.length / layer.outChannels;
  const sorted = Array.from({ length: layer.outChannels }, () => new Float32Array(size));
  const filled = new Uint32Array(layer.outChannels);
  forEachWeight(layer, (flat, out) => {
    sorted[out]![filled[out]!++] = weights[flat]!;
  });
  for (const channel of sorted) channel.sort();
  const at = (p: number) => short(sorted.map((channel) => quantile(channel, p)));
  return { min: at(0), q1: at(0.25), median: at(0.5), q3: at(0.75), max: at(1) };
}

/** Value at share p of a sorted list. */
export function quantile(sorted: Float32Array, p: number): number {
  if (sorted.length === 0) return 0;
  const position = (sorted.length - 1) * p;
  const low = Math.floor(position);
  const from = sorted[low]!;
  return from + (position - low) * ((sorted[low + 1] ?? from) - from);
}

/** Largest |w| of each output channel, and of each input channel. */
export function channelMaxima(layer: LinearLayer): { outputs: Float64Array; inputs: Float64Array } {
  const weights = layer.tensor.array() as Float32Array;
  const outputs = new Float64Array(layer.outChannels);
  const inputs = new Float64Array(layer.inChannels);
  forEachWeight(layer, (flat, out, input) => {
    const magnitude = Math.abs(weights[flat]!);
    if (magnitude > outputs[out]!) outputs[out] = magnitude;
    if (magnitude > inputs[input]!) inputs[input] = magnitude;
  });
  return { outputs, inputs };
}
