export * from "./macs.js";
