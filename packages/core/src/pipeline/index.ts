export * from "./advice-report.js";
export * from "./advise.js";
export * from "./compress.js";
export { type EqualizationInput, equalizationInput } from "./equalization-input.js";
export type { AdaRoundStep, BiasCorrectStep, LateStep, TuneBiasesStep } from "./late-steps.js";
export * from "./prepare.js";
export type { PruneStep } from "./prune-step.js";
export * from "./recipe.js";
export * from "./verify.js";
