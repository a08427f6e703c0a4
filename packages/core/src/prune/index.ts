export { type MaskFile, parseMasks, serializeMasks } from "./mask-file.js";
export { preparePrune } from "./prepare-prune.js";
export { type PrunableParameter, type PruneParameters, prunableParameters } from "./prunable.js";
export { applyMasks, type PruneResult, prune } from "./prune.js";
export {
  type FineTuneOptions,
  type PruneMethod,
  type PruneOptions,
  pruneSettings,
  requireIteration,
} from "./prune-options.js";
export type { PrunedLayer, PruneIteration } from "./prune-report.js";
export { type PruneSchedule, pruneSchedule } from "./prune-schedule.js";
export { kthSmallest, type Scores, thresholdMasks } from "./ranking.js";
export { SynFlowScorer } from "./synflow.js";
export { TaylorScorer } from "./taylor.js";
