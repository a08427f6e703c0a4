export * from "./expose.js";
export * from "./kernel-sums.js";
export * from "./runner.js";
export * from "./transform.js";
