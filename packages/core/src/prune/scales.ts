/** One use of a parameter by a layer, fed as an input of its own, so that each use can have its own scaling. */
export interface LayerFeed {
  readonly input: string;
  readonly parameter: string;
  readonly kind: "weight" | "bias";
}

/**
 * How the power of two that a value is multiplied by follows from those before it. Scales are exponents:
 * the graph computes x·2^s where the network of paths has x.
 */
export type ScaleRule =
  | {
      readonly kind: "layer";
      readonly input: string;
      readonly output: string;
      readonly feeds: readonly LayerFeed[];
      readonly peak: string;
    }
  | { readonly kind: "pass"; readonly input: string; readonly outputs: readonly string[]; readonly gain?: number }
  | { readonly kind: "product"; readonly inputs: readonly [string, string]; readonly outputs: readonly string[] }
  | {
      readonly kind: "join";
      readonly inputs: readonly { readonly value: string; readonly factor: string }[];
      readonly constants: readonly string[];
      readonly outputs: readonly string[];
    };

/** What is known about the size of a layer's outputs before the network runs. */
export interface LayerMagnitude {
  /** Largest Σ|w| of an output channel, and largest |bias|. */
  readonly gain: number;
  readonly bias: number;
}

/** Exponents by value: the graph computes x·2^s. Values that the rules do not name have 0. */
export type Scales = ReadonlyMap<string, number>;

/**
 * Chooses exponents so that the largest output of every layer is about 1: a network of 60 layers whose values would grow
 * by 2^10 a layer stays far inside float32. Branches that meet get the exponent of the larger one, so that each path
 * carries the same power of two and scores keep their ratios exactly.
 *
 * @param magnitudes Of layers that were not measured.
 * @param measured log2 of the largest output, by layer output, where a run has shown it; elsewhere the bound
 *   max|y| ≤ max Σ|w|·max|x| + max|b| serves.
 */
export function chooseScales(
  input: string,
  rules: readonly ScaleRule[],
  magnitudes: ReadonlyMap<string, LayerMagnitude>,
  measured: ReadonlyMap<string, number>,
): Scales {
  const bounds = new Map<string, number>([[input, 0]]);
  const scales = new Map<string, number>([[input, 0]]);
  const bound = (value: string) => bounds.get(value) ?? 0;
  const scale = (value: string) => scales.get(value) ?? 0;
  for (const rule of rules) {
    switch (rule.kind) {
      case "layer": {
        const { gain, bias } = magnitudes.get(rule.output) ?? { gain: 1, bias: 0 };
        const size = measured.get(rule.output) ?? logSum([Math.log2(gain) + bound(rule.input), Math.log2(bias)]);
        bounds.set(rule.output, size);
        // A layer without weights puts out nothing, whatever its scale.
        scales.set(rule.output, Number.isFinite(size) ? -Math.round(size) : scale(rule.input));
        break;
      }
      case "pass":
        for (const value of rule.outputs) {
          bounds.set(value, bound(rule.input) + (rule.gain ?? 0));
          scales.set(value, scale(rule.input));
        }
        break;
      case "product":
        for (const value of rule.outputs) {
          bounds.set(value, bound(rule.inputs[0]) + bound(rule.inputs[1]));
          scales.set(value, scale(rule.inputs[0]) + scale(rule.inputs[1]));
        }
        break;
      case "join": {
        const values = rule.inputs.map(({ value }) => value);
        const own = Math.min(...values.map(scale));
        for (const value of rule.outputs) {
          bounds.set(value, logSum(values.map(bound)));
          scales.set(value, own);
        }
      }
    }
  }
  return scales;
}

/** log2 Σ 2^x, without leaving the range of numbers. */
function logSum(exponents: readonly number[]): number {
  const top = Math.max(...exponents);
  if (!Number.isFinite(top)) return top;
  return top + Math.log2(exponents.reduce((sum, x) => sum + 2 ** (x - top), 0));
}

/** Factors that bring the inputs of joins to the exponent of their output, by input name. */
export function joinFactors(rules: readonly ScaleRule[], scales: Scales): Map<string, number> {
  const factors = new Map<string, number>();
  for (const rule of rules) {
    if (rule.kind !== "join") continue;
    const own = scales.get(rule.outputs[0]!) ?? 0;
    for (const { value, factor } of rule.inputs) factors.set(factor, 2 ** (own - (scales.get(value) ?? 0)));
    for (const factor of rule.constants) factors.set(factor, 2 ** own);
  }
  return factors;
}
