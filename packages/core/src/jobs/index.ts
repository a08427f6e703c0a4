export * from "./advise-run.js";
export * from "./keep-in-float.js";
export * from "./quantize-model.js";
export * from "./recipe-options.js";
