export { activationHistograms, activationMsb, type ObservedActivation, observeActivations } from "./activations.js";
export { type CollectInput, collectReport, layerNames } from "./collect-report.js";
export { collectFindings } from "./findings.js";
export { type FloatLayer, floatLayers, floatMsb, floatWeights } from "./float-weights.js";
export { collectEqualization, collectGraph, collectLayers } from "./network.js";
export { prunedStructure, pruningCurve } from "./pruning.js";
export { collectParameterMsb, collectParameterRanges, collectWeights, msbRow, type NetworkState } from "./tensors.js";
export { collectValidation } from "./validation.js";
