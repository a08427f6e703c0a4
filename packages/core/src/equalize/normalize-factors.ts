import type { ActivationStats } from "../calibrate/channel-stats.js";
import { largest } from "./greedy.js";
import { valuePower } from "./noise-values.js";
import type { FactorRules } from "./optimal.js";
import type { ScaleClass, ScaleClasses, ScaleFactors } from "./scale-classes.js";

/**
 * Noise does not depend on the common scale of a class, so it is fixed: the value of the class with the largest range keeps
 * that range. Classes with a pinned channel or absolute limits have no common scale to choose.
 */
export function normalizeFactors(
  classes: ScaleClasses,
  stats: ActivationStats,
  rules: FactorRules,
  factors: ScaleFactors,
): Float64Array[] {
  return factors.map((ofClass, id) => {
    const scaleClass = classes.classes[id]!;
    const free = scaleClass.pinned.every((reason) => reason === undefined);
    if (!free || rules.absolute(id)) return ofClass.slice();
    const scale = rangeGrowth(classes, scaleClass, stats, ofClass);
    return ofClass.map((factor) => factor / scale);
  });
}

/** Largest activation of a class with factors over that without. */
function rangeGrowth(
  classes: ScaleClasses,
  { values }: ScaleClass,
  stats: ActivationStats,
  factors: Float64Array,
): number {
  let before = 0;
  let after = 1;
  for (const value of values) {
    const power = valuePower(classes.flow, stats, value);
    if (!power) continue;
    const { variables } = classes.values.get(value)!;
    const ranges = power.max.map((max, channel) => Math.max(max, -power.min[channel]!));
    const most = largest(ranges);
    if (most <= before) continue;
    before = most;
    after = largest(ranges.map((range, channel) => range * factors[variables[channel]!]!));
  }
  return before > 0 && after > 0 ? after / before : 1;
}
