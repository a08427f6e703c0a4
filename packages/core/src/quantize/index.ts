export { applyEmulation, dequantizeTensor, emulateValue } from "./apply-emulation.js";
export { applyQdq, type QuantizationPlan } from "./apply-qdq.js";
export * from "./details.js";
export * from "./exclude.js";
export * from "./options.js";
export { biasIntegers, type LayerParameters } from "./parameters.js";
export { type EncodingGroup, type Placement, planPlacement } from "./placement.js";
export * from "./quantize.js";
export * from "./targets.js";
