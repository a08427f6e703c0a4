export * from "./book.js";
export { type EqualizationInput, equalizationInput } from "./equalization-input.js";
export * from "./prepare.js";
export * from "./state.js";
