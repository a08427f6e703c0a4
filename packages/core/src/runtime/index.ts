export * from "./expose.js";
export * from "./runner.js";
export * from "./transform.js";
