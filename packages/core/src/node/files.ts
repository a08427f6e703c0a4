/** Writing files safely, without the rest of equant: what the command needs before it loads anything heavy. */
export * from "./atomic-file.js";
export { fromSystemError, isSystemError } from "./system-errors.js";
export { forgetTemp, lockFolder, removeStaleTemps, removeTemps, tempPathFor, watchTemps } from "./temp-files.js";
export { gathered, MAX_TEXT_BYTES, readWhole, requireNoDevice } from "./whole-file.js";
