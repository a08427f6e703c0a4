export { correctBiases } from "./correct-biases.js";
export * from "./ensure-biases.js";
export { CORRECT_DEFAULTS, type CorrectBiasesOptions, type CorrectionMethod } from "./options.js";
export * from "./report.js";
