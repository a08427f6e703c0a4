export {
  type ChannelLayout,
  dequantizeValues,
  fakeQuantizeValues,
  type IntegerArray,
  integerArray,
  type QuantizeValuesOptions,
  quantizeValues,
} from "./affine.js";
export * from "./encoding.js";
export * from "./finite.js";
export * from "./fixed-point.js";
export * from "./float16.js";
export * from "./histogram-bins.js";
export * from "./msb-histogram.js";
export * from "./packing.js";
export * from "./random.js";
export * from "./range.js";
export { klDivergence } from "./range-entropy.js";
export { expectedQuantizationError } from "./range-mse.js";
export * from "./representability.js";
export * from "./rounding.js";
export * from "./significance.js";
export * from "./statistics.js";
export * from "./tail.js";
export * from "./value-histogram.js";
