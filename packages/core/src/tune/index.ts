export { TUNE_BIASES_DEFAULTS, type TuneBiasesOptions } from "./bias-options.js";
export type { TuneBiasesReport, TuningVerdict } from "./report.js";
export { tuneBiases } from "./tune-biases.js";
