export {
  DEAD_CHANNELS_DEFAULTS,
  type DeadChannelsOptions,
  type DeadChannelsReport,
  removeDeadChannels,
} from "./dead-channels.js";
export type { DeadChannels, DeadKind, ModelSize, ZeroedChannels } from "./dead-report.js";
export { type ChannelIntervals, channelIntervals, type InputRange, type IntervalOptions } from "./intervals.js";
export { type MaskFile, parseMasks, serializeMasks } from "./mask-file.js";
export { CONSTANT_TOLERANCE, deadChannelValues } from "./observed-constants.js";
export { preparePrune } from "./prepare-prune.js";
export { type PrunableParameter, type PruneParameters, prunableParameters } from "./prunable.js";
export { applyMasks, type PruneResult, prune } from "./prune.js";
export { type FineTuneOptions, PRUNE_DEFAULTS, type PruneMethod, type PruneOptions } from "./prune-options.js";
export type { PrunedLayer, PruneIteration } from "./prune-report.js";
export { type PruneSchedule, pruneSchedule } from "./prune-schedule.js";
export { kthSmallest, type PruneScope, type Scores, thresholdMasks } from "./ranking.js";
export { type ChannelRef, type RemovalGroups, removalGroups } from "./removal-groups.js";
export { ORT_CHANNEL_MULTIPLE } from "./removal-limits.js";
export { type RemovedChannels, SHRINK_DEFAULTS, type ShrinkOptions, type ShrinkReport, shrink } from "./shrink.js";
export { SynFlowScorer } from "./synflow.js";
export { TaylorScorer } from "./taylor.js";
