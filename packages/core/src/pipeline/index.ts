export * from "./compress.js";
export * from "./prepare.js";
export * from "./recipe.js";
export * from "./verify.js";
