export * from "./keep-in-float.js";
