export {
  type ChannelSensitivity,
  type ChannelSensitivityOptions,
  channelSensitivity,
  type SensitivityRequest,
} from "./channel-sensitivity.js";
export { type DifferentiateOptions, differentiate, gradientName } from "./differentiate.js";
export { type KnownShapes, observeBatchShapes, VARIES } from "./known-shapes.js";
export { crossEntropy, klDivergenceLoss, meanSquare } from "./losses.js";
export { DIFFERENTIABLE_OPERATORS } from "./rules/index.js";
