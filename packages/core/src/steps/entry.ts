/** The book of steps and the definitions of their options, without what carries them out: `--help` loads this. */
export * from "../option.js";
export * from "./book.js";
export { KEEP, type StepDefinition } from "./state.js";
