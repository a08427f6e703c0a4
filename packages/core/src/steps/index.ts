export * from "./book.js";
export * from "./definition.js";
export { type EqualizationInput, equalizationInput } from "./equalization-input.js";
export { type DynamicEqualization, equalizeDynamic } from "./equalize-dynamic.js";
export * from "./prepare.js";
export * from "./state.js";
export * from "./work.js";
