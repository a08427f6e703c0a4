import { type ActivationStats, extendedStats, REACHED } from "../calibrate/index.js";
import { PreconditionError } from "../errors.js";
import { labelOf } from "../graph/index.js";
import type { OptionsOf } from "../option.js";
import type { EQUALIZE_OPTIONS } from "./definition.js";
import { valuePower } from "./noise-values.js";
import { type FactorRules, LOG_FACTOR_BOUND } from "./optimal.js";
import type { ClassClip, ScaleClass, ScaleClasses } from "./scale-classes.js";
import { type FactorLimit, indexVariables } from "./smooth-objective.js";

/**
 * What happens to a Clip such as ReLU6, which does not pass a factor as it is.
 * - `exact`: one bound a channel, bound·factor: the same function for every input.
 * - `common`: channels that reached the bound on calibration data share one factor, all others stay below the bound scaled
 *   by it, so one bound is enough; exact as long as no other channel reaches the bound.
 * - `paper`: the bound stays (Meller et al. 2019, §5.2): no channel is amplified beyond it, and none attenuated below
 *   {@link PAPER_FLOOR} of its range, which lets values pass that it cut off. Changes the function a little.
 * - `replace`: ReLU instead of ReLU6. Changes the function wherever the bound was reached.
 */
export type Relu6Mode = Exclude<NonNullable<OptionsOf<typeof EQUALIZE_OPTIONS>["relu6"]>, "auto">;

/** "we limit the attenuation to 70% of the original range" (Meller et al. 2019, §5.2). */
export const PAPER_FLOOR = 0.7;

const OPEN = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };

/** How far the channels of a Clip went on calibration data. */
export interface ClipReach {
  readonly clip: ClassClip;
  /** Channels that reached a bound other than 0. */
  readonly reached: Uint8Array;
  /** By channel, how often its range fits between the bounds: ≥ 1, and 1 where it reached one. */
  readonly headroom: Float64Array;
}

/**
 * Reads from statistics of the values before or behind each Clip of a class. Undefined where a Clip has none. With `levels`,
 * steps of an activation's encoding, channels count as far as unseen samples will go, where the statistics tell.
 */
export function clipReaches(
  classes: ScaleClasses,
  scaleClass: ScaleClass,
  stats: ActivationStats,
  levels?: number,
): (ClipReach | undefined)[] {
  return scaleClass.clips.map((clip) => {
    const { node, bounds, variables } = clip;
    const { low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY } = bounds;
    const limits = [OPEN, { low, high }];
    const known = [node.inputs[0]!, node.outputs[0]!].map((value, at) => {
      const own = stats.get(value);
      const unseen = own && levels !== undefined ? new Map([[value, extendedStats(own, limits[at]!, levels)]]) : stats;
      return valuePower(classes.flow, unseen, value);
    });
    const power = known.find((own) => own?.max.length === variables.length);
    if (!power) return undefined;
    const headroom = Float64Array.from(variables, (_, channel) => {
      const above =
        bounds.high !== undefined && bounds.high > 0 ? bounds.high / Math.max(power.max[channel]!, 0) : Infinity;
      const below =
        bounds.low !== undefined && bounds.low < 0 ? bounds.low / Math.min(power.min[channel]!, 0) : Infinity;
      return Math.max(1, Math.min(above, below));
    });
    return { clip, headroom, reached: Uint8Array.from(headroom, (room) => (room * REACHED <= 1 ? 1 : 0)) };
  });
}

/** Rules of one class, in its own variables. */
interface ClassRules {
  /** For every variable the one whose factor it shares. */
  readonly shared: Int32Array | undefined;
  readonly limits: readonly FactorLimit[];
  /** Least and largest log factor by variable; undefined where only the general bound holds. */
  readonly range: { readonly lower: Float64Array; readonly upper: Float64Array } | undefined;
  /** In `common` mode the variable that every Clip's bound follows, −1 where no channel of it reached the bound. */
  readonly boundVariables: ReadonlyMap<ClassClip, number>;
}

const NO_RULES: ClassRules = { shared: undefined, limits: [], range: undefined, boundVariables: new Map() };

/**
 * Rules that a mode sets on factors. `floor` is the least factor in `paper` mode: 1 for one-step, {@link PAPER_FLOOR} else.
 * `levels` lets `common` leave room for what unseen samples reach: beyond the bound it would cut them off.
 */
export function clipRules(
  classes: ScaleClasses,
  stats: ActivationStats | undefined,
  mode: Relu6Mode,
  { floor = PAPER_FLOOR, levels }: { floor?: number; levels?: number } = {},
): FactorRules {
  const rules = classes.classes.map((scaleClass): ClassRules => {
    if (mode === "exact" || mode === "replace" || scaleClass.clips.length === 0) return NO_RULES;
    const reaches = clipReaches(classes, scaleClass, stats ?? new Map(), mode === "common" ? levels : undefined);
    const unknown = scaleClass.clips.find((_, k) => reaches[k] === undefined);
    if (unknown) {
      const node = labelOf(unknown.node);
      throw new PreconditionError("E4005", `equalize: relu6 '${mode}' needs statistics of the input of "${node}"`, {
        node,
        opType: unknown.node.opType,
        hint: "collect them with calibrate(), or use relu6 'exact', which needs none",
      });
    }
    const known = reaches as ClipReach[];
    return mode === "paper" ? paperRules(scaleClass, known, floor) : commonRules(scaleClass, known);
  });
  const variables = indexVariables(classes.classes, ({ id }) => rules[id]!.shared);
  const limits = rules.flatMap(({ limits: own }, id) =>
    own.map(({ variable, reference, limit }) => ({
      variable: variables.of[id]![variable]!,
      reference: variables.of[id]![reference]!,
      limit,
    })),
  );
  const lower = new Float64Array(variables.count).fill(-LOG_FACTOR_BOUND);
  const upper = new Float64Array(variables.count).fill(LOG_FACTOR_BOUND);
  rules.forEach(({ range }, id) => {
    variables.of[id]!.forEach((position, variable) => {
      if (!range || position < 0) return;
      lower[position] = Math.max(lower[position]!, range.lower[variable]!);
      upper[position] = Math.min(upper[position]!, range.upper[variable]!);
    });
  });
  return {
    variables,
    limits,
    lower,
    upper,
    absolute: (id) => rules[id]!.range !== undefined,
    project: (factors, share = "least") => {
      classes.classes.forEach((scaleClass, id) => {
        projectClass(scaleClass, rules[id]!, factors[id]!, share);
      });
    },
    boundFactor: (clip, factors) => {
      const id = rules.findIndex(({ boundVariables }) => boundVariables.has(clip));
      const variable = rules[id]?.boundVariables.get(clip) ?? -1;
      const own = factors[id];
      if (!own) return 1;
      // Where no channel reached the bound it must not come nearer to any of them.
      return variable >= 0 ? own[variable]! : clip.variables.reduce((most, v) => Math.max(most, own[v]!), 0);
    },
  };
}

/** floor ≤ c ≤ headroom for every channel of every Clip. */
function paperRules(scaleClass: ScaleClass, reaches: readonly ClipReach[], floor: number): ClassRules {
  const lower = new Float64Array(scaleClass.size).fill(-LOG_FACTOR_BOUND);
  const upper = new Float64Array(scaleClass.size).fill(LOG_FACTOR_BOUND);
  for (const { clip, headroom, reached } of reaches) {
    clip.variables.forEach((variable, channel) => {
      lower[variable] = Math.log(floor);
      upper[variable] = Math.min(upper[variable]!, reached[channel] ? 0 : Math.log(headroom[channel]!));
    });
  }
  return { ...NO_RULES, range: { lower, upper } };
}

/** Channels that reached a bound share the factor of the first of them; others stay below the bound times it. */
function commonRules(scaleClass: ScaleClass, reaches: readonly ClipReach[]): ClassRules {
  const shared = Int32Array.from({ length: scaleClass.size }, (_, variable) => variable);
  let first = -1;
  for (const { clip, reached } of reaches) {
    clip.variables.forEach((variable, channel) => {
      if (!reached[channel] || scaleClass.pinned[variable] !== undefined) return;
      if (first < 0 || variable < first) first = variable;
    });
  }
  const boundVariables = new Map(reaches.map(({ clip, reached }) => [clip, reached.includes(1) ? first : -1]));
  if (first < 0) return { ...NO_RULES, boundVariables };
  const limits: FactorLimit[] = [];
  for (const { clip, reached, headroom } of reaches) {
    clip.variables.forEach((variable, channel) => {
      if (scaleClass.pinned[variable] !== undefined) return;
      if (reached[channel]) shared[variable] = first;
      else if (headroom[channel]! < Number.POSITIVE_INFINITY) {
        limits.push({ variable, reference: first, limit: Math.log(headroom[channel]!) });
      }
    });
  }
  const others = limits.filter(({ variable }) => shared[variable] === variable && variable !== first);
  return { ...NO_RULES, shared, limits: others, boundVariables };
}

/** Shared variables take one factor; then every limit is enforced. */
function projectClass(
  scaleClass: ScaleClass,
  { shared, limits, range }: ClassRules,
  factors: Float64Array,
  share: "least" | "mean",
): void {
  if (shared) {
    const groups = new Map<number, number[]>();
    factors.forEach((_, variable) => {
      if (scaleClass.pinned[variable] !== undefined) return;
      const group = groups.get(shared[variable]!);
      if (group) group.push(variable);
      else groups.set(shared[variable]!, [variable]);
    });
    for (const group of groups.values()) {
      const logs = group.map((variable) => Math.log(factors[variable]!));
      const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
      const one = Math.exp(share === "mean" ? mean : logs.reduce((a, b) => Math.min(a, b)));
      if (group.length > 1) for (const variable of group) factors[variable] = one;
    }
  }
  for (const { variable, reference, limit } of limits) {
    factors[variable] = Math.min(factors[variable]!, factors[reference]! * Math.exp(limit));
  }
  if (!range) return;
  factors.forEach((factor, variable) => {
    if (scaleClass.pinned[variable] !== undefined) return;
    factors[variable] = Math.min(Math.max(factor, Math.exp(range.lower[variable]!)), Math.exp(range.upper[variable]!));
  });
}
