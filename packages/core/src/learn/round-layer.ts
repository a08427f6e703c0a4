import type { LayerBias } from "../correct/layer-bias.js";
import { labelOf, type Node } from "../graph/index.js";
import type { LayerParameters } from "../quantize/index.js";
import { requireRunner, type TransformContext } from "../runtime/index.js";
import type { ResolvedAdaRound } from "./ada-options.js";
import { gptqRounding } from "./gptq.js";
import { type Moments, momentsOf } from "./moments.js";
import type { Rows } from "./patches.js";
import { relaxedRounding } from "./relax.js";
import { bestOf, type Choices, choicesOf, descend, noiseOf } from "./rounding.js";
import type { Roundings, WeightIntegers } from "./weight-integers.js";

/** A layer to round, in both networks. */
export interface AdaLayer {
  readonly parameters: LayerParameters;
  readonly floatNode: Node;
  readonly weight: WeightIntegers;
  readonly bias: LayerBias | undefined;
}

/** What became of one layer. */
export interface RoundedLayer {
  readonly layer: string;
  readonly opType: string;
  /** False when the layer keeps rounding to nearest. */
  readonly kept: boolean;
  /** Weights that are not rounded to nearest, and all that had a choice. */
  readonly turned: number;
  readonly weights: number;
  /** Noise over signal of the layer's output on the samples kept back: rounded to nearest, and as learned. */
  readonly nearest: number;
  readonly learned: number;
}

/** Share of the mean diagonal that keeps directions without data near nearest rounding. */
const RIDGE = 0.01;

/** Rounds one layer and moves its bias, in place. `inputs` and `outputs`: rows to learn from, and to check on. */
export async function roundLayer(
  { parameters, weight, bias }: AdaLayer,
  { inputs, outputs }: { readonly inputs: readonly [Rows, Rows]; readonly outputs: readonly [Rows, Rows] },
  options: ResolvedAdaRound,
  context: TransformContext,
): Promise<RoundedLayer> {
  const runner = requireRunner(context, "adaRound");
  const { layer } = parameters;
  const choices = choicesOf(parameters);
  const values = layer.tensor.array() as Float32Array;
  const weights = Float32Array.from(choices.flat, (flat) => values[flat]!);
  const centered = bias !== undefined;
  const moments = await momentsOf(runner, inputs[0], outputs[0], weights, centered);
  const check = await momentsOf(runner, inputs[1], outputs[1], weights, centered);
  const h = await roundingOf(moments, choices, options, context);
  weight.keepWithinLanes(choices, h);
  const power = check.outputPower || 1;
  const nearest = noiseOf(check, choices, choices.nearest) / power;
  const learned = noiseOf(check, choices, h) / power;
  const kept = learned < nearest;
  const final: Roundings = kept ? h : choices.nearest;
  if (kept) weight.set(choices, h);
  bias?.set(biasOf(moments, choices, final));
  return {
    layer: labelOf(layer.node),
    opType: layer.opType,
    kept,
    turned: Array.from(final).reduce((sum, value, at) => sum + (value === choices.nearest[at] ? 0 : 1), 0),
    weights: choices.free.reduce((sum, value) => sum + value, 0),
    nearest,
    learned,
  };
}

async function roundingOf(
  moments: Moments,
  choices: Choices,
  options: ResolvedAdaRound,
  context: TransformContext,
): Promise<Roundings> {
  if (options.method === "gptq") return gptqRounding(moments, choices, { ridge: RIDGE, signal: context.signal });
  const h = choices.nearest.slice();
  if (options.iterations === 0) descend(moments, choices, h, RIDGE);
  else {
    const runner = requireRunner(context, "adaRound");
    const learned = await relaxedRounding(runner, moments, choices, { ...options, ridge: RIDGE }, context);
    bestOf(moments, choices, h, learned, RIDGE);
  }
  return h;
}

/** The bias for which Ŵx̂ + b has the mean of y over the rows: b = −E[r] − Δ·E[x̂], r = Wx̂ − y. */
function biasOf({ inputs, outputs, inputMean, residualMean }: Moments, choices: Choices, h: Roundings): Float64Array {
  return Float64Array.from(residualMean, (mean, row) => {
    const group = Math.floor(row / outputs);
    let sum = 0;
    for (let k = 0; k < inputs; k++) {
      sum += (h[row * inputs + k]! - choices.rest[row * inputs + k]!) * inputMean[group * inputs + k]!;
    }
    return -mean - choices.step[row]! * sum;
  });
}
