import { labelOf, type Model } from "../graph/index.js";
import type { LinearLayer } from "../operators/index.js";
import type { Skip } from "../runtime/index.js";
import { patternMask, patternObstacle } from "./n-of-m.js";
import { type PrunableParameter, parametersByLayer } from "./prunable.js";
import type { PruneSettings } from "./prune-options.js";
import { type MaskArrays, roundHalfUp, type Scores, thresholdMasks } from "./ranking.js";
import type { ParameterValues } from "./weight-scores.js";

/** Turns scores into masks for a target sparsity. */
export interface MaskPlanner {
  /** Masks by parameter; parameters without one stay as they are. */
  plan(scores: Scores, target: number, values: ParameterValues, model: Model): Promise<MaskArrays> | MaskArrays;
  readonly skipped: readonly Skip[];
  /** Parameters that count for sparsity. */
  readonly parameters: readonly PrunableParameter[];
}

/** Single weights, by a threshold in the whole network or in each layer. */
export function weightPlanner(parameters: readonly PrunableParameter[], { scope }: PruneSettings): MaskPlanner {
  const names = (own: readonly PrunableParameter[]) => own.map(({ name }) => name);
  const groups =
    scope === "global" ? [names(parameters)] : [...parametersByLayer(parameters).values()].map((own) => names(own));
  return { parameters, skipped: [], plan: (scores, target) => thresholdMasks(scores, target, groups) };
}

/** N of every M: weights only, in layers whose input channels come in multiples of M. */
export function patternPlanner(all: readonly PrunableParameter[], { pattern }: PruneSettings): MaskPlanner {
  const { m } = pattern!;
  const parameters: PrunableParameter[] = [];
  const skipped: Skip[] = [];
  for (const parameter of all) {
    if (parameter.kind !== "weight") continue;
    const obstacle = patternObstacle(parameter.layer, pattern!);
    if (obstacle === undefined) parameters.push(parameter);
    else skipped.push(skipOf(parameter.layer, obstacle));
  }
  return {
    parameters,
    skipped,
    // The schedule says how much of a block is gone: the last target is exactly (m − n)/m.
    plan: (scores, target) =>
      new Map(
        parameters.map(({ name, layer }) => [name, patternMask(layer, scores.get(name)!, m, roundHalfUp(target * m))]),
      ),
  };
}

function skipOf({ node, opType }: LinearLayer, reason: string): Skip {
  return { node: labelOf(node), opType, reason };
}
