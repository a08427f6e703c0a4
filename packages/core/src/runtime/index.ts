export { type Demand, demandOf } from "./demand.js";
export * from "./expose.js";
export {
  countedPart,
  type FedBatch,
  Feed,
  type FeedOptions,
  type Feeds,
  forEachBatch,
  type RunBatch,
  runSweep,
} from "./feed.js";
export { followStates } from "./follow-states.js";
export * from "./kernel-sums.js";
export * from "./provider-names.js";
export * from "./providers.js";
export * from "./runner.js";
export * from "./sweep.js";
export * from "./transform.js";
