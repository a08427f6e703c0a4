import { forEachWeight, type LinearLayer } from "../operators/index.js";
import type { LayerParameters } from "../quantize/index.js";
import type { Moments } from "./moments.js";

/**
 * The choices of one layer, all arrays [group, outputs, K] in the order of {@link Moments}: a weight w with step s becomes
 * s·(low + h) with h 0 or 1. Integers are relative to the zero point. A weight that is 0, or outside the range of its
 * type, has no choice: zeros of pruned weights stay zeros.
 */
export interface Choices {
  readonly low: Float64Array;
  /** 1 where there is a choice. */
  readonly free: Uint8Array;
  /** w/s − low, 0 to 1 where there is a choice. */
  readonly rest: Float64Array;
  /** h of rounding to nearest, as the plan has it. */
  readonly nearest: Uint8Array;
  /** s of each weight's channel, and the ends of its type, [group, outputs]. */
  readonly step: Float64Array;
  readonly least: Float64Array;
  readonly most: Float64Array;
  /** Where each weight is stored. */
  readonly flat: Int32Array;
}

/** Reads a layer's choices from its weights and the integers of the plan. */
export function choicesOf({ layer, weight }: LayerParameters): Choices {
  const size = layer.tensor.size;
  const { encoding } = weight;
  const values = layer.tensor.array() as Float32Array;
  const integers = weight.data.array() as Int8Array;
  const flat = matrixOrder(layer);
  const perRow = size / layer.outChannels;
  const step = Float64Array.from(
    { length: layer.outChannels },
    (_, channel) => encoding.scale[encoding.axis === null ? 0 : channel]!,
  );
  const zeroOf = (channel: number) => encoding.zeroPoint[encoding.axis === null ? 0 : channel]!;
  const choices: Choices = {
    low: new Float64Array(size),
    free: new Uint8Array(size),
    rest: new Float64Array(size),
    nearest: new Uint8Array(size),
    step,
    least: step.map((_, channel) => encoding.qmin - zeroOf(channel)),
    most: step.map((_, channel) => encoding.qmax - zeroOf(channel)),
    flat,
  };
  for (let at = 0; at < size; at++) {
    const channel = Math.floor(at / perRow);
    const zero = zeroOf(channel);
    const value = values[flat[at]!]! / step[channel]!;
    const low = Math.floor(value);
    const chosen = integers[flat[at]!]! - zero;
    const free = value !== 0 && low >= encoding.qmin - zero && low + 1 <= encoding.qmax - zero && chosen - low <= 1;
    choices.free[at] = free ? 1 : 0;
    choices.low[at] = free ? low : chosen;
    choices.rest[at] = value - choices.low[at]!;
    choices.nearest[at] = free ? chosen - low : 0;
  }
  return choices;
}

/** Flat index of every weight in the order [output channel, input of the group, kernel element]. */
function matrixOrder(layer: LinearLayer): Int32Array {
  const order = new Int32Array(layer.tensor.size);
  if (layer.opType === "Conv") return order.map((_, at) => at);
  forEachWeight(layer, (flat, out, input) => {
    order[out * layer.inChannels + input] = flat;
  });
  return order;
}

/** Noise power of a choice, Σ_m s_m²·(δGδᵀ + 2δ·b_m) + E[r²], δ in steps and b = B/s. */
export function noiseOf(moments: Moments, choices: Choices, h: ArrayLike<number>): number {
  const { inputs, outputs, gram, cross, groups } = moments;
  let total = moments.residualPower;
  const delta = new Float64Array(inputs);
  for (let row = 0; row < groups * outputs; row++) {
    const at = row * inputs;
    const base = Math.floor(row / outputs) * inputs * inputs;
    const step = choices.step[row]!;
    for (let k = 0; k < inputs; k++) delta[k] = h[at + k]! - choices.rest[at + k]!;
    let sum = 0;
    for (let k = 0; k < inputs; k++) {
      let product = 0;
      const line = base + k * inputs;
      for (let j = 0; j < inputs; j++) product += gram[line + j]! * delta[j]!;
      sum += delta[k]! * (step * product + 2 * cross[at + k]!);
    }
    total += step * sum;
  }
  return total;
}

/** Sweeps after which the descent stops anyway; it settles in three to eight. */
const SWEEPS = 20;

/**
 * Turns single weights over while that lowers the noise: with g = Gδ + b, turning weight i by d = ±1 changes it by
 * 2·d·g_i + G_ii. Changes `h`; never makes the noise larger. The problem is that of Nagel et al. 2020, eq. (13), where it is
 * noted to be NP-hard; this finds a choice that no single turn improves. Returns the noise of every row, δGδᵀ + 2δ·b.
 * @param ridge Added to the diagonal, as a share of its mean: directions in which no row lies prefer the nearest value.
 */
export function descend(moments: Moments, choices: Choices, h: Uint8Array, ridge: number): Float64Array {
  const { inputs, outputs, gram, cross, groups } = moments;
  const gradient = new Float64Array(inputs);
  const noise = new Float64Array(groups * outputs);
  for (let row = 0; row < groups * outputs; row++) {
    const at = row * inputs;
    const base = Math.floor(row / outputs) * inputs * inputs;
    const step = choices.step[row]!;
    let trace = 0;
    for (let k = 0; k < inputs; k++) trace += gram[base + k * inputs + k]!;
    const extra = (ridge * trace) / inputs;
    for (let k = 0; k < inputs; k++) gradient[k] = cross[at + k]! / step;
    for (let j = 0; j < inputs; j++) {
      const delta = h[at + j]! - choices.rest[at + j]!;
      const line = base + j * inputs;
      for (let k = 0; k < inputs; k++) gradient[k] = gradient[k]! + gram[line + k]! * delta;
      gradient[j] = gradient[j]! + extra * delta;
    }
    for (let sweep = 0; sweep < SWEEPS; sweep++) {
      let turned = 0;
      for (let k = 0; k < inputs; k++) {
        if (choices.free[at + k] === 0) continue;
        const turn = h[at + k] === 0 ? 1 : -1;
        const own = gram[base + k * inputs + k]! + extra;
        if (!(2 * turn * gradient[k]! + own < -1e-12 * own)) continue;
        h[at + k] = h[at + k]! + turn;
        const line = base + k * inputs;
        for (let j = 0; j < inputs; j++) gradient[j] = gradient[j]! + turn * gram[line + j]!;
        gradient[k] = gradient[k]! + turn * extra;
        turned++;
      }
      if (turned === 0) break;
    }
    // δGδᵀ + 2δ·b = δ·(g + b).
    for (let k = 0; k < inputs; k++) {
      noise[row] = noise[row]! + (h[at + k]! - choices.rest[at + k]!) * (gradient[k]! + cross[at + k]! / step);
    }
  }
  return noise;
}

/** The better of two choices, row by row, into the first; both are taken to where no single turn improves them. */
export function bestOf(moments: Moments, choices: Choices, h: Uint8Array, other: Uint8Array, ridge: number): void {
  const [own, others] = [descend(moments, choices, h, ridge), descend(moments, choices, other, ridge)];
  const { inputs } = moments;
  for (let row = 0; row < own.length; row++) {
    if (others[row]! < own[row]!) h.set(other.subarray(row * inputs, (row + 1) * inputs), row * inputs);
  }
}
