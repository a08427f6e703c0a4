export * from "./flow.js";
export { CHANNEL_RULES, type ChannelLink } from "./rules.js";
export type { ChannelPairs, ChannelSpace } from "./space.js";
