import { throwIfAborted } from "../errors.js";
import { feedbackOf, roundWithFeedback, solve } from "../math/feedback.js";
import type { Moments } from "./moments.js";
import type { Choices } from "./rounding.js";

/** Sweeps after which the descent stops anyway. */
const SWEEPS = 20;

/**
 * Integers of a layer by GPTQ, as h of {@link Choices}, but any number within the type: what lowers the noise δGδᵀ + 2δ·b goes further than
 * the two neighbours of a weight. Rounded with error feedback towards W − G⁻¹B, then moved by single steps while that lowers the noise.
 */
export function gptqRounding(
  moments: Moments,
  choices: Choices,
  { ridge, signal }: { readonly ridge: number; readonly signal?: AbortSignal | undefined },
): Int16Array {
  const { inputs, outputs, gram, cross, groups } = moments;
  const h = Int16Array.from(choices.nearest);
  const target = new Float64Array(inputs);
  for (let group = 0; group < groups; group++) {
    throwIfAborted(signal, "adaRound");
    const feedback = feedbackOf(gram, inputs, ridge, group * inputs * inputs);
    for (let row = group * outputs; row < (group + 1) * outputs; row++) {
      const at = row * inputs;
      const shift = solve(feedback, cross.subarray(at, at + inputs));
      for (let k = 0; k < inputs; k++) {
        target[k] = choices.low[at + k]! + choices.rest[at + k]! - shift[k]! / choices.step[row]!;
      }
      const rounded = roundWithFeedback(feedback, target, (k, value) => {
        if (choices.free[at + k] === 0) return choices.low[at + k]!;
        return Math.min(Math.max(Math.round(value), choices.least[row]!), choices.most[row]!);
      });
      for (let k = 0; k < inputs; k++) h[at + k] = rounded[k]! - choices.low[at + k]!;
    }
  }
  stepwise(moments, choices, h, ridge);
  return h;
}

/** Moves single weights by one step either way while that lowers the noise: g = Gδ + b, moving i by d adds 2·d·g_i + G_ii. */
function stepwise(moments: Moments, choices: Choices, h: Int16Array, ridge: number): void {
  const { inputs, outputs, gram, cross, groups } = moments;
  const gradient = new Float64Array(inputs);
  for (let row = 0; row < groups * outputs; row++) {
    const at = row * inputs;
    const base = Math.floor(row / outputs) * inputs * inputs;
    let trace = 0;
    for (let k = 0; k < inputs; k++) trace += gram[base + k * inputs + k]!;
    const extra = (ridge * trace) / inputs;
    for (let k = 0; k < inputs; k++) gradient[k] = cross[at + k]! / choices.step[row]!;
    const move = (j: number, by: number) => {
      const line = base + j * inputs;
      for (let k = 0; k < inputs; k++) gradient[k] = gradient[k]! + by * gram[line + k]!;
      gradient[j] = gradient[j]! + by * extra;
    };
    for (let j = 0; j < inputs; j++) {
      const delta = h[at + j]! - choices.rest[at + j]!;
      if (delta !== 0) move(j, delta);
    }
    for (let sweep = 0; sweep < SWEEPS; sweep++) {
      let moved = 0;
      for (let k = 0; k < inputs; k++) {
        if (choices.free[at + k] === 0) continue;
        const by = gradient[k]! < 0 ? 1 : -1;
        const integer = choices.low[at + k]! + h[at + k]! + by;
        const own = gram[base + k * inputs + k]! + extra;
        const allowed = integer >= choices.least[row]! && integer <= choices.most[row]!;
        if (!allowed || !(2 * by * gradient[k]! + own < -1e-12 * own)) continue;
        h[at + k] = h[at + k]! + by;
        move(k, by);
        moved++;
      }
      if (moved === 0) break;
    }
  }
}
