export {
  DEAD_CHANNELS_DEFAULTS,
  type DeadChannels,
  type DeadChannelsOptions,
  type DeadChannelsReport,
  type DeadKind,
  type ModelSize,
  removeDeadChannels,
  type ZeroedChannels,
} from "./dead-channels.js";
export { type ChannelIntervals, channelIntervals, type InputRange, type IntervalOptions } from "./intervals.js";
export { CONSTANT_TOLERANCE, deadChannelValues } from "./observed-constants.js";
export { type ChannelRef, type RemovalGroups, removalGroups } from "./removal-groups.js";
export { type RemovedChannels, type ShrinkOptions, type ShrinkReport, shrink } from "./shrink.js";
