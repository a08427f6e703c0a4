import type { ActivationStats } from "../calibrate/channel-stats.js";
import type { ObservedShapes } from "../channels/flow.js";
import { OptionsError, requireOneOf } from "../errors.js";
import { defaultsOf, type OptionsOf, readOptions } from "../option.js";
import type { HostTensor } from "../runtime/index.js";
import type { AbsorbRule } from "./absorb-bias.js";
import type { Relu6Mode } from "./clip-rules.js";
import { EQUALIZE_OPTIONS } from "./definition.js";
import { NOISE_DEFAULTS, type NoiseOptions, type ResolvedNoiseOptions, resolveNoiseOptions } from "./noise-options.js";
import { OPTIMAL_DEFAULTS } from "./optimal.js";

/** How factors are chosen. */
export type EqualizeMethod = NonNullable<OptionsOf<typeof EQUALIZE_OPTIONS>["method"]>;

export const EQUALIZE_METHODS = Object.keys(EQUALIZE_OPTIONS.method.values) as EqualizeMethod[];

/**
 * Options for {@link equalize}. `method`: `optimal` minimises the predicted noise over all classes at once; `dfq` is Nagel et al.
 * 2019; `one-step` and `two-step` are Algorithms 1 and 2 of Meller et al. 2019. `relu6`: see {@link Relu6Mode}; `auto`, the default,
 * is `exact` here: only {@link compress} can measure which pays. `smax`: largest factor of `one-step` and, before normalisation, of
 * `two-step`.
 */
export interface EqualizeOptions extends NoiseOptions, OptionsOf<typeof EQUALIZE_OPTIONS> {
  /** `one-step` and `two-step`: the further limit of the authors' code. Default: false. */
  limitPreActivation?: boolean;
  /** `better`: factors are set back to 1 where they make matters worse. `always`: the method's factors stay. Default: `'better'`. */
  keep?: "better" | "always";
  /**
   * Where layers read a value that something else keeps from being scaled, as the residual stream of a transformer: a Mul by a vector in
   * front of them, where the predicted noise says that it pays. Default: with dynamic activations, whose values are floats there; between
   * integers a Mul would be one rounding more.
   */
  branches?: boolean;
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

/** Options that no command offers, beside {@link EQUALIZE_OPTIONS}. */
const DEFAULTS = {
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
  readonly smax: number;
  readonly limitPreActivation: boolean;
  readonly keep: "better" | "always";
  readonly branches: boolean;
  readonly powerOfTwo: boolean;
  readonly gapTolerance: number;
  readonly absorbBias: AbsorbRule | "none";
  readonly driftTolerance: number;
  readonly stats: ActivationStats | undefined;
  readonly shapes: ObservedShapes | undefined;
  readonly probes: NonNullable<EqualizeOptions["probes"]>;
  readonly noise: ResolvedNoiseOptions;
}

const DATA_KEYS = ["stats", "shapes", "probes", "quantized", "sensitivity", "sharedSensitivity", "branches"];

/** Fills in defaults. @throws {OptionsError} E2001, E2002, E2004, or E2005 where a method needs statistics. */
export function resolveEqualizeOptions(options: EqualizeOptions): ResolvedEqualizeOptions {
  const given = readOptions("equalize", EQUALIZE_OPTIONS, options, [...Object.keys(DEFAULTS), ...DATA_KEYS]);
  const merged: typeof DEFAULTS & EqualizeOptions = { ...DEFAULTS, ...given };
  const { method, relu6, smax } = { ...defaultsOf(EQUALIZE_OPTIONS), ...given };
  const absorbBias = requireOneOf("equalize", "absorbBias", merged.absorbBias, ["none", "observed", "three-sigma"]);
  const keep = requireOneOf("equalize", "keep", merged.keep, ["better", "always"]);
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
    relu6: relu6 === "auto" ? "exact" : relu6,
    absorbBias,
    keep,
    smax,
    limitPreActivation: merged.limitPreActivation,
    branches: options.branches ?? (options.activations === "dynamic" && options.stats !== undefined),
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
  const keys = [...Object.keys(NOISE_DEFAULTS), "quantized", "sensitivity", "sharedSensitivity"];
  return Object.fromEntries(
    Object.entries(options).filter(([key, value]) => keys.includes(key) && value !== undefined),
  );
}
