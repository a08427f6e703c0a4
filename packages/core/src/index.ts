/**
 * The public face of equant: what stays the same from one minor version to the next, written by hand. Everything else that the
 * command, the report and the app use is `@equant/core/lab`, which may change with every version.
 *
 * Two orders of arguments: `f(options)(model, context)` changes a model in place, `f(model, options, context)` leaves it as it is.
 * The context holds what both may use: the runtime, samples, a signal to cancel, a listener for progress.
 */

// Measures.
export {
  guessPreprocessing,
  type InspectReport,
  inspectModel,
  measureSqnr,
  type SensitivityReport,
  type SqnrReport,
  sensitivity,
  type ValidateOptions,
  type ValidationReport,
  validateModels,
} from "./analyze/index.js";
export { type CalibrateOptions, Calibration, calibrate } from "./calibrate/index.js";
export {
  type BiasCorrectionReport,
  type CorrectBiasesOptions,
  correctBiases,
  ensureBiases,
} from "./correct/index.js";

// Data.
export {
  blobFile,
  type DataFile,
  type Dataset,
  type DecodedImage,
  DIGIT_SPLIT,
  digitDataset,
  digitImage,
  type ImageDecoder,
  memoryFile,
  type OpenOptions,
  openFiles,
  PRESETS,
  type PreprocessOptions,
  type PresetName,
  randomDataset,
  splitByClass,
  subset,
} from "./data/index.js";
export { type EqualizeOptions, type EqualizeReport, equalize } from "./equalize/index.js";
// Failures.
export {
  CompressionError,
  DataError,
  type ErrorCode,
  ModelError,
  OptionsError,
  PreconditionError,
  RunError,
} from "./errors.js";
// Transforms.
export { type FoldOptions, type FoldReport, fold, type UpgradeOptions, upgradeOpset } from "./fold/index.js";
// Training and gradients.
export { differentiate, gradientName } from "./gradient/index.js";
// Models.
export {
  cloneModel,
  type DType,
  type ExternalReader,
  type Graph,
  type Model,
  type Node,
  parseModel,
  type Signature,
  serializeModel,
  signatureOf,
  Tensor,
  validateModel,
} from "./graph/index.js";
export {
  type AdaRoundOptions,
  type AdaRoundReport,
  adaRound,
  type TuneBiasesOptions,
  type TuneBiasesReport,
  tuneBiases,
} from "./learn/index.js";
export {
  type AdviceReport,
  advise,
  type CompressOptions,
  type CompressResult,
  compress,
  planOfFile,
  type TuneOptions,
  type TuneReport,
  tune,
} from "./pipeline/index.js";
export { applyMasks, type PruneOptions, type PruneResult, prune } from "./prune/index.js";
export {
  applyQdq,
  detailsOfFile,
  planQuantization,
  type QuantizationDetails,
  type QuantizationPlan,
  type QuantizeOptions,
  type QuantizeReport,
  quantizationDetails,
  quantizationRequests,
  quantize,
  TARGETS,
  type TargetName,
} from "./quantize/index.js";
// The runtime, and what every transform is given.
export {
  createRunner,
  type HostTensor,
  type OrtModule,
  observeShapes,
  type ProgressEvent,
  type Runner,
  type RunnerOptions,
  type Transform,
  type TransformContext,
  type TransformReport,
  transform,
  zeroFeeds,
} from "./runtime/index.js";
export {
  type DeadChannelsOptions,
  type DeadChannelsReport,
  deadChannelValues,
  removeDeadChannels,
  type ShrinkOptions,
  type ShrinkReport,
  shrink,
} from "./shrink/index.js";
// The whole way.
export { COMPRESS_RECIPE, type RecipeStep } from "./steps/index.js";
export { buildDigitNetwork, measureTop1, type TrainOptions, type TrainResult, train } from "./train/index.js";
