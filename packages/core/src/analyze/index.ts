export type { ClassDrop, Confusion, PairedAccuracy } from "./class-pair.js";
export { type AccuracySummary, type ClassAccuracy, type ConfusionMatrix, confusionRows } from "./class-score.js";
export {
  guessPreprocessing,
  type PreprocessingCandidate,
  type PreprocessingGuess,
  type PreprocessingQuestion,
} from "./guess-preprocessing.js";
export { inspectModel } from "./inspect.js";
export { inspectLayers, type LayerDetail, type LayerValue } from "./inspect-layer.js";
export type * from "./inspect-report.js";
export {
  type FloatLayer,
  type Int8Coverage,
  int8Coverage,
  isQuantized,
  type LeftoverConversion,
} from "./int8-coverage.js";
export { KERNEL_SQNR_DB } from "./kernel-agreement.js";
export {
  LATENCY_DEFAULTS,
  type LatencyOptions,
  type LatencyReport,
  type ModelLatency,
  measureLatency,
  timeRatio,
} from "./latency.js";
export { measuredCoverage, type OptimizeModel } from "./measured-coverage.js";
export { modelUnderTest } from "./model-under-test.js";
export {
  OutputDifference,
  type OutputDifferenceSummary,
  type OutputKind,
} from "./output-difference.js";
export {
  AGREEMENT_WORDS,
  agreementWords,
  isGain,
  type NamedDifference,
  OutputComparison,
  type OutputError,
  type OutputGain,
  outputGain,
} from "./output-error.js";
export * from "./output-probe.js";
export { countParameters, type NodeParameters, type ParameterCount } from "./parameter-count.js";
export * from "./sensitivity.js";
export { emulatedNetwork } from "./sensitivity-study.js";
export * from "./sqnr.js";
export * from "./sqnr-curves.js";
export * from "./sqnr-pairs.js";
export * from "./sqnr-report.js";
export { type ValidateOptions, validateModels } from "./validate.js";
export * from "./validation-report.js";
export { type LayerRange, type WeightRanges, weightRanges } from "./weight-ranges.js";
export { type ChannelPower, optimalRatio, type QuantizedWeights, type WeightSqnr, weightSqnr } from "./weight-sqnr.js";
