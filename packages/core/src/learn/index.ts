export type { AdaRoundOptions } from "./ada-options.js";
export { adaRound } from "./ada-round.js";
export type { TuneBiasesOptions } from "./bias-options.js";
export type { AdaRoundReport, TuneBiasesReport, TuningVerdict } from "./report.js";
export type { RoundedLayer } from "./round-layer.js";
export { tuneBiases } from "./tune-biases.js";
