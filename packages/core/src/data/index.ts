export * from "./digits.js";
