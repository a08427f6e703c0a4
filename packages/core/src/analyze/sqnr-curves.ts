import { OptionsError } from "../errors.js";
import type { SqnrReport } from "./sqnr-report.js";

/** Name and version of the format. A field is never removed within a major version. */
const SQNR_CURVES_SCHEMA = "equant.sqnr-curves/1";

/** Ratios of one state of the network, in dB, in the order of {@link SqnrCurves.layers}. */
export interface SqnrCurve {
  readonly state: string;
  /** Measured with float inputs. */
  readonly weights: readonly number[];
  readonly activations: readonly (number | null)[];
  /** ΣW²/ΣΔW² and ΣY²/ΣΔY² with errors uniform in a step: what optimal equalization is compared with. */
  readonly weightUniform: readonly number[];
  readonly activationUniform: readonly (number | null)[];
  /** Behind the network quantized so far; empty where it was not measured. */
  readonly cumulative: readonly number[];
}

/** States of one network side by side: Figs. 5 and 6 of Meller et al. 2019. */
export interface SqnrCurves {
  readonly schema: typeof SQNR_CURVES_SCHEMA;
  /** Layers that all states have, in graph order. */
  readonly layers: readonly string[];
  /** As given; the first is the one before. */
  readonly states: readonly SqnrCurve[];
  /** Optimal equalization of the first state, weights alone and activations alone. */
  readonly optimal: { readonly weights: readonly number[]; readonly activations: readonly (number | null)[] };
  /** Positions in `layers` from the highest ratio of the first state to the lowest, as the paper draws them. */
  readonly order: { readonly weights: readonly number[]; readonly activations: readonly number[] };
}

/**
 * Puts reports of the same network in several states (before, one-step, two-step, optimal) side by side.
 * @throws {OptionsError} E2002 without any report, or when they have no layer in common.
 */
export function compareSqnr(reports: Readonly<Record<string, SqnrReport>>): SqnrCurves {
  const states = Object.entries(reports);
  const first = states[0]?.[1];
  const common = (first?.layers ?? []).filter(({ layer }) =>
    states.every(([, report]) => report.layers.some((other) => other.layer === layer)),
  );
  if (!first || common.length === 0) {
    throw new OptionsError("E2002", "compareSqnr: no layer that all reports have, expected reports of one network", {
      actual: states.length,
    });
  }
  const curves = states.map(([state, report]): SqnrCurve => {
    const rows = common.map(({ layer }) => report.layers.find((other) => other.layer === layer)!);
    return {
      state,
      weights: rows.map(({ local }) => local.weights),
      activations: rows.map(({ local }) => local.activations),
      weightUniform: rows.map(({ weight }) => weight.uniformDb),
      activationUniform: rows.map(({ activation }) => activation?.uniformDb ?? null),
      cumulative: rows.flatMap(({ cumulative }) => (cumulative ? [cumulative.both] : [])),
    };
  });
  return {
    schema: SQNR_CURVES_SCHEMA,
    layers: common.map(({ layer }) => layer),
    states: curves,
    optimal: {
      weights: common.map(({ weight }) => weight.optimalDb),
      activations: common.map(({ activation }) => activation?.optimalDb ?? null),
    },
    order: { weights: descending(curves[0]!.weights), activations: descending(curves[0]!.activations) },
  };
}

/** Positions of the values that are there, largest first; equal ones keep their order. */
function descending(values: readonly (number | null)[]): number[] {
  const known = values.flatMap((value, at) => (value === null ? [] : [{ value, at }]));
  return known.sort((a, b) => b.value - a.value).map(({ at }) => at);
}
