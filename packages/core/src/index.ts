export * from "./data/index.js";
export * from "./errors.js";
export * from "./graph/index.js";
export * from "./runtime/index.js";
