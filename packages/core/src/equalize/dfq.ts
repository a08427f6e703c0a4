import { LayerMaxima } from "./layer-maxima.js";
import type { FactorRules } from "./optimal.js";
import type { ScaleClass, ScaleClasses } from "./scale-classes.js";

/** Options for {@link dfqFactors}. */
export interface DfqOptions {
  /** Ends when no factor changed by more than this share in a round. Default: 1e-9, the fixed point. */
  tolerance?: number;
  /** Most rounds over all classes. Default: 1000. */
  rounds?: number;
}

const DFQ_DEFAULTS = { tolerance: 1e-9, rounds: 1000 } as const satisfies Required<DfqOptions>;

/**
 * Cross-layer equalization (Nagel et al. 2019, Data-free quantization, eqs. (9)–(11)), on classes instead of pairs of layers.
 *
 * For a pair the paper divides output channel i of the first layer by s_i = √(r¹_i·r²_i)/r²_i and multiplies the input channel of
 * the second by it, with r the channel's largest weight; then both ranges are √(r¹_i·r²_i). Our factor multiplies the producer:
 * factor = 1/s = √(r²/r¹). In a class r¹ is the largest over its producers and r² over its consumers. All classes are visited in
 * turn until nothing changes. Weights only: no data is needed. Channels without weights on a side keep their factor.
 */
export function dfqFactors(
  classes: ScaleClasses,
  rules: FactorRules,
  options: DfqOptions = {},
): { factors: Float64Array[]; rounds: number } {
  const { tolerance, rounds } = { ...DFQ_DEFAULTS, ...options };
  const maxima = new LayerMaxima(classes);
  const factors = classes.classes.map(({ size }) => new Float64Array(size).fill(1));
  let round = 0;
  for (; round < rounds; round++) {
    let change = 0;
    for (const scaleClass of classes.classes) {
      if (scaleClass.reason !== undefined) continue;
      const own = factors[scaleClass.id]!;
      const before = own.slice();
      const { made, read } = ranges(maxima, scaleClass, factors);
      scaleClass.pinned.forEach((pinned, variable) => {
        if (pinned !== undefined || !(made[variable]! > 0) || !(read[variable]! > 0)) return;
        own[variable] = own[variable]! * Math.sqrt(read[variable]! / made[variable]!);
      });
      rules.project(factors, "mean");
      own.forEach((factor, variable) => {
        change = Math.max(change, Math.abs(Math.log(factor / before[variable]!)));
      });
    }
    if (change <= tolerance) return { factors, rounds: round + 1 };
  }
  return { factors, rounds: round };
}

/** r¹ and r² of every variable under the present factors. */
function ranges(maxima: LayerMaxima, scaleClass: ScaleClass, factors: Float64Array[]) {
  const made = new Float64Array(scaleClass.size);
  const read = new Float64Array(scaleClass.size);
  const raise = (to: Float64Array, variables: Int32Array, values: Float64Array) => {
    variables.forEach((variable, channel) => {
      if (values[channel]! > to[variable]!) to[variable] = values[channel]!;
    });
  };
  for (const { layer, variables } of scaleClass.producers) raise(made, variables, maxima.outputs(layer, factors));
  for (const { layer, variables } of scaleClass.consumers) raise(read, variables, maxima.inputs(layer, factors));
  return { made, read };
}
