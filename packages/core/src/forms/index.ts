export * from "./apply-forms.js";
export { type BlockIntegers, type BlockOptions, blockIntegers } from "./block-integers.js";
export { type Float16Options, type Float16Report, toFloat16 } from "./float16.js";
export { gptqIntegers } from "./gptq.js";
export { NF4_VALUES, nf4Codes } from "./nf4.js";
export { type OutputRows, outputRows } from "./output-rows.js";
export * from "./table.js";
