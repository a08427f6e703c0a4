export * from "./coverage.js";
export * from "./facts.js";
export * from "./finite-weights.js";
export * from "./float32-model.js";
export * from "./linear-layer.js";
export * from "./macs.js";
export { tensorOutputs, valuesWithoutTensor } from "./tensor-values.js";
