export * from "./compress.js";
export { type EqualizationInput, equalizationInput } from "./equalization-input.js";
export * from "./prepare.js";
export * from "./recipe.js";
export * from "./verify.js";
