export { correctBiases } from "./correct-biases.js";
export * from "./ensure-biases.js";
export { type SampleSplit, splitSamples } from "./hold-out.js";
export type { CorrectBiasesOptions, CorrectionMethod } from "./options.js";
export * from "./report.js";
export { TrialCorrection } from "./trial.js";
