export * from "./analyze/index.js";
export * from "./calibrate/index.js";
export * from "./data/index.js";
export * from "./errors.js";
export * from "./graph/index.js";
export * from "./math/index.js";
export * from "./quantize/index.js";
export * from "./runtime/index.js";
