export * from "./channel-flow.js";
export { CHANNEL_RULES, type ChannelLink } from "./channel-rules.js";
export type { ChannelPairs, ChannelSpace } from "./channel-space.js";
export * from "./explain.js";
export * from "./scale-classes.js";
export { type ClipBounds, SCALING_RULES, type ScalingRule } from "./scaling-rules.js";
