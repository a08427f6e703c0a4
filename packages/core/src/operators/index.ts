export * from "./coverage.js";
export * from "./float32-model.js";
export * from "./linear-layer.js";
export * from "./macs.js";
