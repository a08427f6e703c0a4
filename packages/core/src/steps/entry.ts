/** The book of steps, the forms of an export, the providers and the definitions of their options, without what carries them out: `--help` loads this. */
export { EXPORTS, type ExportName } from "../match/export-names.js";
export * from "../option.js";
export { granularityOf } from "../quantize/definition.js";
export * from "../runtime/provider-names.js";
export * from "./book.js";
export { KEEP, type StepDefinition } from "./definition.js";
