export { type ChannelIntervals, channelIntervals, type InputRange, type IntervalOptions } from "./intervals.js";
export { type KnownBounds, knownBounds } from "./known-bounds.js";
export * from "./known-sign.js";
