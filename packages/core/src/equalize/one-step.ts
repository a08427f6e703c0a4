import type { ActivationStats } from "../calibrate/channel-stats.js";
import { type GreedyOptions, type GreedyResult, greedyFactors, type LayerRule, largest } from "./greedy.js";
import type { FactorRules } from "./optimal.js";
import type { ScaleClasses } from "./scale-classes.js";

/**
 * Algorithm 1 of Meller et al. 2019, lines 8–12: kerScale = kerOutMax/kerOutChMax, actScale = actOutMax/actOutChMax,
 * scale = min(kerScale, actScale, S_max). All scales are ≥ 1; neither the layer's largest weight nor its largest activation
 * grows. A channel without weights or without activation is left alone.
 */
const oneStepScales: LayerRule = ({ kerOutChMax, actOutChMax, actOutMax, limit }, smax) => {
  const kerOutMax = largest(kerOutChMax);
  return kerOutChMax.map((kernel, channel) => {
    const activation = actOutChMax[channel]!;
    if (!(kernel > 0) || !(activation > 0)) return 0;
    return Math.min(kerOutMax / kernel, actOutMax / activation, smax, limit[channel]!);
  });
};

/** One-step equalization over all classes: {@link oneStepScales} layer by layer. */
export function oneStepFactors(
  classes: ScaleClasses,
  stats: ActivationStats,
  rules: FactorRules,
  options: GreedyOptions = {},
): GreedyResult {
  return greedyFactors(classes, stats, rules, oneStepScales, { ...options, normalize: () => false });
}
