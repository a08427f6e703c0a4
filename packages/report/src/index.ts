export * from "./charts/index.js";
export * from "./collect/index.js";
export * from "./read-report.js";
export * from "./schema.js";
