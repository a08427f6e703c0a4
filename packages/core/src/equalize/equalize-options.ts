import type { ActivationStats } from "../calibrate/channel-stats.js";
import type { ObservedShapes } from "../channels/flow.js";
import { OptionsError, rejectUnknownOptions, requireOneOf } from "../errors.js";
import type { HostTensor } from "../runtime/index.js";
import type { AbsorbRule } from "./absorb-bias.js";
import { RELU6_MODES, type Relu6Mode } from "./clip-rules.js";
import { NOISE_DEFAULTS, type NoiseOptions, type ResolvedNoiseOptions, resolveNoiseOptions } from "./noise-options.js";
import { OPTIMAL_DEFAULTS } from "./optimal.js";

/** How factors are chosen. */
export type EqualizeMethod = "optimal" | "dfq" | "one-step" | "two-step";

export const EQUALIZE_METHODS = ["optimal", "dfq", "one-step", "two-step"] as const satisfies readonly EqualizeMethod[];

/** Options for {@link equalize}. */
export interface EqualizeOptions extends NoiseOptions {
  /**
   * `optimal` minimises the predicted noise over all classes at once; `dfq` is Nagel et al. 2019; `one-step` and `two-step` are
   * Algorithms 1 and 2 of Meller et al. 2019. Default: `'optimal'`.
   */
  method?: EqualizeMethod;
  /** What happens to Clip, such as ReLU6: see {@link Relu6Mode}. Default: `'exact'`. */
  relu6?: Relu6Mode;
  /** S_max of Algorithms 1 and 2: largest factor of `one-step` and, before normalisation, of `two-step`; above 1. Default: 16. */
  sMax?: number;
  /** `one-step` and `two-step`: the further limit of the authors' code. Default: false. */
  limitPreActivation?: boolean;
  /** `better`: factors are set back to 1 where they make matters worse. `always`: the method's factors stay. Default: `'better'`. */
  keep?: "better" | "always";
  /** Rounds factors to powers of two, so that no weight is rounded. Default: false. */
  powerOfTwo?: boolean;
  /** `optimal`: share of the minimum within which the result is proved to be. Default: 0.005. */
  gapTolerance?: number;
  /** High-bias absorption after equalization, exact on calibration data only. Default: `'none'`. */
  absorbBias?: AbsorbRule | "none";
  /** Channel statistics of the very model given, collected on calibration data: see {@link equalizeValues}. Only `dfq` does without. */
  stats?: ActivationStats;
  /** Sizes of all values, from `observeShapes`. Default: found by a run on zeros, for which the context needs a runner. */
  shapes?: ObservedShapes;
  /** Inputs on which the drift of the outputs is measured; needs a runner in the context. Default: none. */
  probes?: readonly Readonly<Record<string, HostTensor>>[];
  /**
   * Largest drift, as share of the output's range, that `exact` and absorption may cause. Beyond it factors become powers of two,
   * and then 1; absorption is undone. Default: 1e-4; rounding weights costs most networks up to 3e-6 (measured).
   */
  driftTolerance?: number;
}

export const EQUALIZE_DEFAULTS = {
  method: "optimal",
  relu6: "exact",
  sMax: 16,
  limitPreActivation: false,
  keep: "better",
  powerOfTwo: false,
  gapTolerance: OPTIMAL_DEFAULTS.gapTolerance,
  absorbBias: "none",
  driftTolerance: 1e-4,
  ...NOISE_DEFAULTS,
} as const satisfies EqualizeOptions;

export interface ResolvedEqualizeOptions {
  readonly method: EqualizeMethod;
  readonly relu6: Relu6Mode;
  readonly sMax: number;
  readonly limitPreActivation: boolean;
  readonly keep: "better" | "always";
  readonly powerOfTwo: boolean;
  readonly gapTolerance: number;
  readonly absorbBias: AbsorbRule | "none";
  readonly driftTolerance: number;
  readonly stats: ActivationStats | undefined;
  readonly shapes: ObservedShapes | undefined;
  readonly probes: NonNullable<EqualizeOptions["probes"]>;
  readonly noise: ResolvedNoiseOptions;
}

const DATA_KEYS = ["stats", "shapes", "probes", "quantized", "sensitivity"];

/** Fills in defaults. @throws {OptionsError} E2001, E2002, E2004, or E2005 where a method needs statistics. */
export function resolveEqualizeOptions(options: EqualizeOptions): ResolvedEqualizeOptions {
  rejectUnknownOptions("equalize", options, [...Object.keys(EQUALIZE_DEFAULTS), ...DATA_KEYS]);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const merged = { ...EQUALIZE_DEFAULTS, ...given } as typeof EQUALIZE_DEFAULTS & EqualizeOptions;
  const method = requireOneOf("equalize", "method", merged.method, EQUALIZE_METHODS);
  const relu6 = requireOneOf("equalize", "relu6", merged.relu6, RELU6_MODES);
  const absorbBias = requireOneOf("equalize", "absorbBias", merged.absorbBias, ["none", "observed", "three-sigma"]);
  const keep = requireOneOf("equalize", "keep", merged.keep, ["better", "always"]);
  requireNumber("sMax", merged.sMax, merged.sMax > 1, "above 1");
  requireNumber("gapTolerance", merged.gapTolerance, merged.gapTolerance > 0, "above 0");
  requireNumber("driftTolerance", merged.driftTolerance, merged.driftTolerance >= 0, "0 or more");
  const needs =
    method !== "dfq" ? `method '${method}'` : absorbBias !== "none" ? `absorbBias '${absorbBias}'` : undefined;
  if (needs && !options.stats) {
    throw new OptionsError("E2005", `equalize: ${needs} needs stats`, {
      hint: "collect them on calibration data for equalizeValues(model, shapes), or use method 'dfq', which reads weights alone",
    });
  }
  return {
    method,
    relu6,
    absorbBias,
    keep,
    sMax: merged.sMax,
    limitPreActivation: merged.limitPreActivation,
    powerOfTwo: merged.powerOfTwo,
    gapTolerance: merged.gapTolerance,
    driftTolerance: merged.driftTolerance,
    stats: options.stats,
    shapes: options.shapes,
    probes: options.probes ?? [],
    noise: resolveNoiseOptions(pickNoise(merged)),
  };
}

function requireNumber(option: string, value: number, valid: boolean, expected: string): void {
  if (valid && Number.isFinite(value)) return;
  throw new OptionsError("E2002", `equalize: invalid ${option} ${value}, expected a number ${expected}`, {
    actual: value,
    expected,
  });
}

function pickNoise(options: NoiseOptions): NoiseOptions {
  const keys = [...Object.keys(NOISE_DEFAULTS), "quantized", "sensitivity"];
  return Object.fromEntries(
    Object.entries(options).filter(([key, value]) => keys.includes(key) && value !== undefined),
  );
}
