export { type ChannelIntervals, channelIntervals, type InputRange, type IntervalOptions } from "./intervals.js";
export { type KnownBounds, knownBounds, least, most } from "./known-bounds.js";
export * from "./known-sign.js";
export { neededBounds, tighter } from "./needed-bounds.js";
