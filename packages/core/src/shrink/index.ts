export {
  type DeadChannelsOptions,
  type DeadChannelsReport,
  removeDeadChannels,
} from "./dead-channels.js";
export type { DeadChannels, DeadKind, ModelSize, ZeroedChannels } from "./dead-report.js";
export { deadChannelValues } from "./observed-constants.js";
export { type ChannelRef, type RemovalGroups, removalGroups } from "./removal-groups.js";
export { ORT_CHANNEL_MULTIPLE } from "./removal-limits.js";
export { type RemovedChannels, type ShrinkOptions, type ShrinkReport, shrink } from "./shrink.js";
