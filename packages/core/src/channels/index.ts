export * from "./flow.js";
export {
  findGates,
  type Gate,
  type GateProduct,
  gateProduct,
  type HardGate,
  hardGate,
  scaledGateNodes,
  scalingInput,
} from "./gates.js";
export type { ChannelLink } from "./rule.js";
export { CHANNEL_RULES } from "./rules.js";
export type { ChannelPairs, ChannelSpace } from "./space.js";
