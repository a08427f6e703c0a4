export * from "./dtypes.js";
export { withExternalData } from "./hub-config.js";
export { madeText } from "./made-text.js";
export { type HubVariant, VariantMaker } from "./make-variant.js";
