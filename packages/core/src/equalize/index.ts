export {
  type AbsorbedBias,
  type AbsorbResult,
  type AbsorbRule,
  absorbBiases,
  type OutputMoments,
} from "./absorb-bias.js";
export { type AppliedFactors, type ApplyOptions, applyFactors, type ClipEdit } from "./apply-factors.js";
export { type ClipReach, clipReaches, clipRules, PAPER_FLOOR, type Relu6Mode } from "./clip-rules.js";
export { type DfqOptions, dfqFactors } from "./dfq.js";
export { measureDrift } from "./drift.js";
export { equalize, equalizeValues } from "./equalize.js";
export {
  EQUALIZE_METHODS,
  type EqualizeMethod,
  type EqualizeOptions,
} from "./equalize-options.js";
export type {
  Drift,
  EqualizedClass,
  EqualizedClip,
  EqualizeReport,
  LayerSpread,
  UndoneClass,
} from "./equalize-report.js";
export * from "./explain.js";
export { factorsOf, powerOfTwoFactors, scaleStats, unitFactors } from "./factors.js";
export type {
  GreedyOptions,
  GreedyResult,
  LayerRanges,
  LayerRule,
} from "./greedy.js";
export { type NoiseModel, type NoiseTerm, noiseModel, type PredictedNoise, predictedNoise } from "./noise-model.js";
export { NOISE_DEFAULTS, type NoiseOptions, type ResolvedNoiseOptions, resolveNoiseOptions } from "./noise-options.js";
export { activationChain, equalizationValues } from "./noise-values.js";
export { normalizeFactors } from "./normalize-factors.js";
export { oneStepFactors } from "./one-step.js";
export {
  type FactorRules,
  OPTIMAL_DEFAULTS,
  type OptimalOptions,
  type OptimalResult,
  optimalFactors,
} from "./optimal.js";
export * from "./scale-classes.js";
export { type ClipBounds, SCALING_RULES, type ScalingRule } from "./scaling-rules.js";
export type { FactorLimit, VariableIndex } from "./smooth-objective.js";
export { twoStepFactors } from "./two-step.js";
