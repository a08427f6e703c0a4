export { fromSystemError, isSystemError } from "@equant/core/files";
