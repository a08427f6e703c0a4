import type { ActivationStats } from "../calibrate/channel-stats.js";
import type { Relu6Mode } from "./clip-rules.js";
import { type GreedyOptions, type GreedyResult, greedyFactors, type LayerRule, largest } from "./greedy.js";
import type { FactorRules } from "./optimal.js";
import type { ScaleClasses } from "./scale-classes.js";

/**
 * Algorithm 2 of Meller et al. 2019, lines 6–14, without the division of line 15:
 * kerScale = kerOutMax/kerOutChMax · sucInChMax/sucInMax, actScale = actOutMax/actOutChMax · sucInChMax/sucInMax,
 * scale = min(kerScale, actScale, S_max). With several successors the largest share sucInChMax/sucInMax counts.
 * A channel without weights on a side, or without activation, is left alone.
 */
const twoStepScales: LayerRule = ({ kerOutChMax, actOutChMax, actOutMax, sucInChShare, limit }, smax) => {
  const kerOutMax = largest(kerOutChMax);
  return kerOutChMax.map((kernel, channel) => {
    const activation = actOutChMax[channel]!;
    const share = sucInChShare[channel]!;
    if (!(kernel > 0) || !(activation > 0) || !(share > 0)) return 0;
    return Math.min((kerOutMax / kernel) * share, (actOutMax / activation) * share, smax, limit[channel]!);
  });
};

/**
 * Two-step equalization over all classes: {@link twoStepScales} layer by layer, each divided by its minimum (line 15) except,
 * with `relu6: 'paper'`, where a Clip bounds the class.
 */
export function twoStepFactors(
  classes: ScaleClasses,
  stats: ActivationStats,
  rules: FactorRules,
  relu6: Relu6Mode,
  options: GreedyOptions = {},
): GreedyResult {
  const normalize = ({ clips }: { clips: readonly unknown[] }) => relu6 !== "paper" || clips.length === 0;
  return greedyFactors(classes, stats, rules, twoStepScales, { ...options, normalize });
}
