export * from "./output-probe.js";
export * from "./prepare.js";
export * from "./verify.js";
